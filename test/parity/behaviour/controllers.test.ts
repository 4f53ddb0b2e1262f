/** The recorded scenarios that are about controllers, on simulated nodes under a virtual clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  behaviourOf,
  type SimulatedBehaviour,
} from '../../../src/kubelet/cri/simulated/simulated-behaviour.ts';
import { createCluster } from '../../cluster/cluster.ts';
import { playScenario, type World } from './run.ts';
import { loadScenarios, type Scenario } from './scenario.ts';

/** A shell or sleep as process 1 takes no notice of SIGTERM: it runs for the whole grace period, as recorded. */
function behaviourIn(scenario: Scenario, config: Parameters<typeof behaviourOf>[0]): SimulatedBehaviour {
  const isBare = /(^|\/)(sh|sleep)$/.test(config.command?.[0] ?? '');
  // The recorded probes all ask where nothing listens.
  const isProbed = JSON.stringify(scenario.objects).includes('readinessProbe');
  return {
    ...behaviourOf(config),
    ...(isBare && { ignoresTerm: true }),
    ...(isProbed && { healthy: false }),
  };
}

/** States that lasted there only as long as something took that takes no time here. */
const fleeting: Record<string, RegExp> = {
  // The budget there was looked at before its pods were made, or while the evicted one was on its way out.
  'pdb-refuses-eviction': /"expectedPods":0|NoPods/,
  'pdb-allows-one-eviction': /"expectedPods":0|NoPods/,
  // The cache there had seen one of two pods that were made one after the other.
  'ds-bad-image': /"currentNumberScheduled":1/,
  // A pod that a lower parallelism takes away was a failure there for as long as it was there; since 1.26 it is none.
  'job-parallelism-zero': /"failed":1/,
  // The pod there took two seconds to end.
  'ns-delete-with-pod': /unexpected items still remain/,
};

/** What newer versions do differently apart from wording, as described in the recordings' README. */
function asToday(scenario: Scenario): Scenario {
  let text = JSON.stringify(scenario.expect);
  // Namespaces held a secret with a token, which quotas counted.
  if (scenario.area === 'quota') text = text.replaceAll('"secrets":"1"', '"secrets":"0"');
  text = text.replaceAll('"topology":{"kubernetes.io/hostname":"<node>"}', '"nodeName":"<node>"');
  return { ...scenario, expect: JSON.parse(text) as Scenario['expect'] };
}

const areas = [
  'deployment',
  'replicaset',
  'statefulset',
  'daemonset',
  'job',
  'cronjob',
  'gc',
  'namespace',
  'quota',
  'service',
  'node',
];
const only = process.env.SCENARIO;

for (const scenario of loadScenarios(areas)) {
  if (only && !scenario.id.includes(only)) continue;
  test(`${scenario.area}: ${scenario.id} goes as recorded`, async () => {
    await using cluster = await createCluster({
      nodes: 2,
      behaviour: (config) => behaviourIn(scenario, config),
    });
    const { clock } = cluster;
    const world: World = {
      client: cluster.client,
      nodes: ['node1', 'node2'],
      waitUntil: (condition, timeoutMs) => clock.advanceUntil(condition, timeoutMs),
      pause: (ms) => clock.advance(ms),
    };
    // What kubelets do with containers, and how often an unbound claim is reported, is covered by other tests.
    const skip = new Set(['pods', 'Pod', 'PersistentVolumeClaim']);
    const isFleeting = (state: object) => fleeting[scenario.id]?.test(JSON.stringify(state)) ?? false;
    const recorded = asToday(scenario);
    const problems = await playScenario(world, recorded, `behaviour-${scenario.id}`, { skip, isFleeting });
    assert.deepEqual(problems, []);
  });
}
