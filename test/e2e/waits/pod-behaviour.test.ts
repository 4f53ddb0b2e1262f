/** The recorded pod scenarios of an upstream cluster, replayed with real containers. `SCENARIO=id` runs one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Client } from '../../../src/client/client.ts';
import { createClient } from '../../../src/client/create-client.ts';
import { loadKubeconfig } from '../../../src/client/kubeconfig.ts';
import { httpTransport } from '../../../src/client/transport/http-transport.ts';
import { writeImageArchive } from '../../../src/host/images/archive.ts';
import { busyboxEntries } from '../../../src/host/images/rootfs.ts';
import { playScenario } from '../../parity/behaviour/run.ts';
import { loadScenarios, type Scenario } from '../../parity/behaviour/scenario.ts';
import { writeBusyboxImage } from '../images.ts';
import { TestCluster } from '../test-cluster.ts';

const only = process.env.SCENARIO;
/** How many scenarios run side by side: most of their time is waiting. */
const concurrency = 6;

/**
 * States of the recording that a node of today does not show, or not for long: a pod that is deleted reaches a final
 * phase before it is gone, one past its deadline ends before it is Failed, and one that the node never had, or that is
 * over, goes at once.
 */
function isFleeting(scenario: Scenario, state: object): boolean {
  const text = JSON.stringify(state);
  if (/"deleting":true|"gone":true/.test(text)) return true;
  // The scheduler's words count the nodes, which were two there.
  if (text.includes('"reason":"FailedScheduling"')) return true;
  // Since 1.34 a variable may have any printable name, and no key of a ConfigMap is skipped.
  if (text.includes('"reason":"InvalidEnvironmentVariableNames"')) return true;
  return scenario.id === 'pod-active-deadline' && text.includes('DeadlineExceeded');
}

suite('recorded pods', { concurrency }, () => {
  const cluster = new TestCluster();
  let client: Client;

  before(async () => {
    await cluster.up();
    const busybox = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(busybox, ['docker.io/library/busybox:1.28', 'docker.io/library/busybox:1.29']);
    const pause = join(cluster.home, 'pause.tar');
    const script = 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done';
    writeImageArchive(pause, {
      names: ['k8s.gcr.io/pause:3.2'],
      config: { Entrypoint: ['/bin/sh', '-c', script], Env: ['PATH=/bin:/usr/bin'] },
      files: await busyboxEntries(),
    });
    await cluster.wherry('image', 'load', busybox, pause);
    const { connection } = await loadKubeconfig(cluster.kubeconfig);
    client = createClient(httpTransport(connection));
  });
  after(() => cluster.delete());

  for (const scenario of loadScenarios(['pod'])) {
    if (only && !scenario.id.includes(only)) continue;
    test(`${scenario.id} goes as recorded`, { timeout: 180_000 }, async () => {
      const world = { client, nodes: ['wherry', 'wherry'] as const, waitUntil, pause };
      const problems = await playScenario(world, scenario, `real-${scenario.id}`, {
        isFleeting: (state) => isFleeting(scenario, state),
      });
      assert.deepEqual(problems, []);
    });
  }
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function waitUntil(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms`);
    await pause(50);
  }
}
