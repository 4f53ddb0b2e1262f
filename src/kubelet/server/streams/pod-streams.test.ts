import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../base/async/until.fixture.ts';
import { systemClock } from '../../../base/clock.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { KubeletContext } from '../../context.ts';
import type { ContainerStatus } from '../../cri/messages.ts';
import type { ObservedContainer } from '../../pod/pod-observation.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { testPod } from '../../pod.fixture.ts';
import type { AskedPods } from '../asked-pods.ts';
import type { Upgrade } from './client-streams.ts';
import { PodStreams } from './pod-streams.ts';
import { fakeRuntime, openAll, spdyClient } from './streams.fixture.ts';

const attachUrl = new URL('https://node/attach/ns/p/c?input=1&output=1&error=1');

/** `running`: the container, unless it does not run. */
function podStreams(running: ObservedContainer | undefined, runtimeUrl: string) {
  let statusQueries = 0;
  const runtime = {
    attach: async () => runtimeUrl,
    containerStatus: async () => {
      statusQueries++;
      return sparse<ContainerStatus>({ state: 'CONTAINER_RUNNING' });
    },
  };
  const pod = testPod({ containers: [{ name: 'c', stdin: true }] });
  const asked = sparse<AskedPods>({
    worker: async () => sparse<PodWorker>({ pod }),
    runningContainer: async () => running,
  });
  const streams = new PodStreams(sparse<KubeletContext>({ clock: systemClock, runtime }), asked);
  return { streams, statusQueries: () => statusQueries };
}

test('who attaches and ends the input of a container that stays is let go at once', async (context) => {
  const runtime = await fakeRuntime(context);
  const running = sparse<ObservedContainer>({ name: 'c', id: 'i', startedAtMs: 0, logPath: '' });
  const { streams, statusQueries } = podStreams(running, runtime.url);
  const client = await spdyClient((upgrade) => streams.connect(upgrade, attachUrl));
  const { error, stdin } = await openAll(client);
  const status = new Promise<Buffer>((resolve) => {
    error.onData = resolve;
  });
  await until(() => runtime.streams.size === 4);
  stdin.end();
  await until(() => runtime.heard.includes('stdin ends'));
  runtime.streams.get('error')!.write(Buffer.from('{"status":"Success"}'));
  for (const name of ['error', 'stdout', 'stderr']) runtime.streams.get(name)!.end();
  assert.equal((await status).toString(), '{"status":"Success"}');
  assert.equal(statusQueries(), 1);
  client.close();
});

test("a container that does not run is not found, in upstream's words", async () => {
  const { streams } = podStreams(undefined, '');
  for (const [action, message] of [
    ['attach', 'container c not found in pod p_ns'],
    ['exec', 'container not found ("c")'],
  ]) {
    const url = new URL(`https://node/${action}/ns/p/c`);
    await assert.rejects(streams.connect(sparse<Upgrade>({}), url), { message });
  }
});
