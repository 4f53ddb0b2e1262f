import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Pod } from '../../api/resources.gen.ts';
import { until } from '../../base/async/until.fixture.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import type { PodSet } from '../pod/pod-set.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
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
    pods: sparse<PodSet>({ onForgotten: () => () => undefined }),
    registration: sparse<NodeRegistration>({}),
  });
  const stop = new AbortController();
  let hasEnded = false;
  const running = pods.run(stop.signal).finally(() => {
    hasEnded = true;
  });
  // Reading a folder takes several turns of the event loop.
  for (let turn = 0; turn < 20; turn++) {
    await clock.advance(20_000);
    await setImmediate();
  }
  assert.equal(hasEnded, false);
  stop.abort();
  await running;
});

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'static-pods-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function written(name: string, image = 'i:1'): string {
  const spec = { containers: [{ name: 'c', image }] };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
}

test('every file of the folder is a manifest whatever it is called, unless its name begins with a dot', async (t) => {
  const folder = await temporaryFolder(t);
  for (const file of ['a.yaml', 'b', 'c.yaml.old', '.d.yaml'])
    await writeFile(join(folder, file), written(file[0]!));
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
    pods: sparse<PodSet>({ update: (pod: Pod) => void started.push(pod.metadata.name), workers: () => [] }),
    registration: sparse<NodeRegistration>({}),
    informer: sparse<Informer<Pod>>({}),
  });
  await staticPods.load();
  assert.deepEqual(started, ['a-n', 'b-n', 'c-n']);
});

test('an invalid manifest is told of once, and again when it comes back', async (t) => {
  const folder = await temporaryFolder(t);
  const told: unknown[] = [];
  const staticPods = new StaticPods({
    folder,
    context: sparse<KubeletContext>({
      clock: new VirtualClock(),
      logger: {
        ...silentLogger,
        warn: (_: string, fields?: Record<string, unknown>) => void told.push(fields?.file),
      },
      node: () => ({ nodeName: 'n', hostIps: [], allocatable: {} }),
    }),
    pods: sparse<PodSet>({ workers: () => [] }),
    registration: sparse<NodeRegistration>({}),
    informer: sparse<Informer<Pod>>({}),
  });
  const file = join(folder, 'bad');
  for (const _ of ['at first', 'when it comes back']) {
    await writeFile(file, 'not a pod');
    await staticPods.load();
    await staticPods.load();
    await rm(file);
    await staticPods.load();
  }
  assert.deepEqual(told, ['bad', 'bad']);
});

test('a changed pod starts when the one before has ended, whose mirror stays until then', async (t) => {
  const folder = await temporaryFolder(t);
  const workers = new Map<string, PodWorker>();
  const log: string[] = [];
  const mirrors: Pod[] = [];
  let forget: (worker: PodWorker) => void = () => undefined;
  const pods = sparse<PodSet>({
    workers: () => workers.values(),
    find: (uid: string) => workers.get(uid),
    onForgotten(listener: (worker: PodWorker) => void) {
      forget = listener;
      return () => undefined;
    },
    update(pod: Pod) {
      const image = pod.spec.containers[0]!.image;
      log.push(`started ${image}`);
      const remove = () => void log.push(`removed ${image}`);
      workers.set(
        pod.metadata.uid,
        sparse<PodWorker>({ pod, isStatic: true, remove, setMirror: () => undefined }),
      );
    },
  });
  const end = (image: string) => {
    const [uid, worker] = [...workers].find(([, { pod }]) => pod.spec.containers[0]!.image === image)!;
    workers.delete(uid);
    forget(worker);
  };
  const clock = new VirtualClock();
  const staticPods = new StaticPods({
    folder,
    pods,
    context: sparse<KubeletContext>({
      clock,
      logger: silentLogger,
      node: () => ({ nodeName: 'n', hostIps: [], allocatable: {} }),
      client: sparse<KubeletContext['client']>({
        async create(_type: unknown, pod: Pod) {
          log.push(`mirrored ${pod.spec.containers[0]!.image}`);
          const made = { ...pod, metadata: { ...pod.metadata, uid: `mirror-${mirrors.length}` } };
          mirrors.splice(0, 1, made);
          return made;
        },
        async delete() {
          log.push(`unmirrored ${mirrors.pop()?.spec.containers[0]?.image}`);
        },
      } as never),
    }),
    registration: sparse<NodeRegistration>({ node: undefined }),
    informer: sparse<Informer<Pod>>({
      handle: () => undefined,
      hasSynced: true,
      get: () => mirrors[0],
      list: () => mirrors,
    }),
  });
  const stop = new AbortController();
  await writeFile(join(folder, 'a.yaml'), written('a', 'i:1'));
  const running = staticPods.run(stop.signal);
  const awaitLogged = async (text: string) => {
    while (log.at(-1) !== text) {
      await clock.advance(20_000);
      await setImmediate();
    }
  };
  await awaitLogged('mirrored i:1');
  await writeFile(join(folder, 'a.yaml'), written('a', 'i:2'));
  await awaitLogged('removed i:1');
  await writeFile(join(folder, 'a.yaml'), written('a', 'i:3'));
  for (let turn = 0; turn < 20; turn++) {
    await clock.advance(20_000);
    await setImmediate();
  }
  end('i:1');
  await awaitLogged('mirrored i:3');
  await rm(join(folder, 'a.yaml'));
  await awaitLogged('removed i:3');
  end('i:3');
  await awaitLogged('unmirrored i:3');
  stop.abort();
  await running;
  assert.deepEqual(log, [
    'started i:1',
    'mirrored i:1',
    'removed i:1',
    'started i:3',
    'unmirrored i:1',
    'mirrored i:3',
    'removed i:3',
    'unmirrored i:3',
  ]);
});

test('a pod that ends while the mirrors are seen to makes way at once', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'a.yaml'), written('a'));
  const ending = sparse<PodWorker>({
    pod: sparse<Pod>({ metadata: { name: 'a-n', namespace: 'default' } }),
    isStatic: true,
  });
  const workers = new Set([ending]);
  let started: string | undefined;
  let forget: (worker: PodWorker) => void = () => undefined;
  const clock = new VirtualClock();
  const staticPods = new StaticPods({
    folder,
    context: sparse<KubeletContext>({
      clock,
      logger: silentLogger,
      node: () => ({ nodeName: 'n', hostIps: [], allocatable: {} }),
    }),
    pods: sparse<PodSet>({
      workers: () => workers.values(),
      onForgotten(listener: (worker: PodWorker) => void) {
        forget = listener;
        return () => undefined;
      },
      update(pod: Pod) {
        started = pod.metadata.name;
      },
    }),
    registration: sparse<NodeRegistration>({}),
    informer: sparse<Informer<Pod>>({
      handle: () => undefined,
      get hasSynced() {
        return workers.size > 0;
      },
      list() {
        workers.delete(ending);
        forget(ending);
        return [];
      },
    }),
  });
  const stop = new AbortController();
  const startMs = clock.now();
  const running = staticPods.run(stop.signal);
  await until(() => {
    void clock.advance(10);
    return started !== undefined;
  });
  assert.equal(started, 'a-n');
  assert.ok(clock.now() - startMs < 20_000, 'not only when the folder is read anyway');
  stop.abort();
  await running;
});
