import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Pod } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import type { PodSet } from '../pod/pod-set.ts';
import { readManifests } from './static-manifest.ts';
import { asStaticPod, StaticPods } from './static-pods.ts';

const manifest = (image: string) =>
  readManifests(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { containers: [{ name: 'c', image }] },
    }),
  )[0]!;

test('a static pod is named after its node and tolerates to be the last one there', () => {
  const pod = asStaticPod(manifest('i:1'), 'node-1', 0);
  assert.equal(pod.metadata.name, 'web-node-1');
  assert.equal(pod.metadata.namespace, 'default');
  assert.equal(pod.metadata.annotations?.['kubernetes.io/config.source'], 'file');
  assert.deepEqual(pod.spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
  assert.equal(pod.spec.nodeName, 'node-1');
});

test('another content is another pod', () => {
  const uidOf = (image: string, nowMs = 0) => asStaticPod(manifest(image), 'n', nowMs).metadata.uid;
  assert.notEqual(uidOf('i:1'), uidOf('i:2'));
  assert.equal(uidOf('i:1'), uidOf('i:1', 5));
});

test('a folder of static pods that cannot be watched ends nothing', async () => {
  const clock = new VirtualClock();
  const pods = new StaticPods({
    folder: `${fileURLToPath(import.meta.url)}/manifests`,
    context: sparse<KubeletContext>({ clock, logger: silentLogger }),
    informer: sparse<Informer<Pod>>({ handle: () => undefined, hasSynced: false }),
    pods: sparse<PodSet>({}),
    registration: sparse<NodeRegistration>({}),
  });
  const stop = new AbortController();
  const running = pods.run(stop.signal);
  // Reading a folder takes several turns of the event loop.
  for (let turn = 0; turn < 20; turn++) {
    await clock.advance(20_000);
    await setImmediate();
  }
  stop.abort();
  await running;
});

test('every file of the folder is a manifest whatever it is called, unless its name begins with a dot', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'static-pods-'));
  t.after(() => rm(folder, { recursive: true }));
  const named = (name: string) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'i:1' }] },
    });
  for (const file of ['a.yaml', 'b', 'c.yaml.old', '.d.yaml'])
    await writeFile(join(folder, file), named(file[0]!));
  await writeFile(join(folder, 'notes.txt'), 'not a pod');
  await mkdir(join(folder, 'e.yaml'));
  const started: string[] = [];
  const staticPods = new StaticPods({
    folder,
    context: sparse<KubeletContext>({
      clock: new VirtualClock(),
      logger: silentLogger,
      node: () => ({ nodeName: 'n', hostIps: [], allocatable: {} }),
    }),
    pods: sparse<PodSet>({ update: (pod: Pod) => void started.push(pod.metadata.name) }),
    registration: sparse<NodeRegistration>({}),
    informer: sparse<Informer<Pod>>({}),
  });
  await staticPods.load();
  assert.deepEqual(started, ['a-n', 'b-n', 'c-n']);
});
