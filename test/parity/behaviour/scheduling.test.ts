/** The recorded scenarios about scheduling and autoscaling, on simulated nodes under a virtual clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCluster } from '../../cluster/cluster.ts';
import { playScenario, type World } from './run.ts';
import { loadScenarios, type Scenario } from './scenario.ts';

/** What newer versions do differently beyond wordings, and what this cluster has that the recorded one had not. */
function asToday(scenario: Scenario): Scenario {
  const expect = JSON.parse(
    JSON.stringify(scenario.expect)
      // One reason for affinity today, where there were two.
      .replaceAll(/(, )?\d+ node\(s\) didn't match pod affinity\/anti-affinity(, )?/g, '')
      .replaceAll("didn't match Pod's node affinity.", "didn't match Pod's node affinity/selector.")
      .replaceAll(/didn't match Pod's node affinity"/g, "didn't match Pod's node affinity/selector\"")
      // What rules out all nodes at once is reported once.
      .replaceAll(/available: \d+ (persistentvolumeclaim|pod has unbound)/g, 'available: $1')
      .replaceAll('Preempted by <ns>/high on', 'Preempted by pod <uid> on')
      // What a node says of a pod that it refuses.
      .replaceAll(
        'Predicate NodeAffinity failed"',
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector\"",
      )
      .replaceAll('used: 0, capacity: 2000', 'used: 0, capacity: 64000')
      // Resource metrics are part of this cluster; simulated nodes have none to give.
      .replaceAll(
        'unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)',
        'no metrics returned from resource metrics API',
      )
      .replaceAll('deployments/scale.apps \\"web', 'deployments.apps \\"web')
      // Metrics that could not be computed keep their places.
      .replaceAll(
        /(FailedGetResourceMetric","status":"False","type":"ScalingActive"}],"currentMetrics":)null/g,
        '$1[{"type":""}]',
      )
      // The sum of all metrics says under which kind each stands.
      .replaceAll(
        'first error is: failed to get cpu utilization',
        'first error is: failed to get cpu resource metric value: failed to get cpu utilization',
      ),
  ) as Scenario['expect'];
  // A pod is tried again today only when something changed that could help it.
  for (const groups of Object.values(expect.events ?? {}))
    for (const { list } of groups)
      for (const event of list) if (event.reason === 'FailedScheduling') event.count = 1;
  // Images are pulled here, and come from nowhere.
  for (const groups of Object.values(expect.events ?? {}))
    for (const group of groups) group.list = group.list.filter(({ reason }) => reason !== 'Pulled');
  return { ...scenario, expect };
}

const only = process.env.SCENARIO;

for (const scenario of loadScenarios(['scheduling', 'hpa'])) {
  if (only && !scenario.id.includes(only)) continue;
  test(`${scenario.area}: ${scenario.id} goes as recorded`, async () => {
    await using cluster = await createCluster({ nodes: 2 });
    const { clock } = cluster;
    const world: World = {
      client: cluster.client,
      nodes: ['node1', 'node2'],
      waitUntil: (condition, timeoutMs) => clock.advanceUntil(condition, timeoutMs),
      pause: (ms) => clock.advance(ms),
    };
    const problems = await playScenario(world, asToday(scenario), `behaviour-${scenario.id}`, {
      skip: new Set(['pods']),
    });
    assert.deepEqual(problems, []);
  });
}
