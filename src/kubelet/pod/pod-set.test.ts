import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { Sandbox } from '../cri/messages.ts';
import { testPod } from '../pod.fixture.ts';
import { labels } from './pod-observation.ts';
import { PodSet } from './pod-set.ts';

test('an unwanted pod whose sandbox cannot be stopped keeps its volumes, and no other pod does', async () => {
  const cleared = Promise.withResolvers<void>();
  const removed: string[] = [];
  const remove = (what: string) => async (id: string) => void removed.push(`${what} ${id}`);
  const sandboxOf = (uid: string): Sandbox =>
    sparse<Sandbox>({
      id: `sandbox-${uid}`,
      metadata: { name: uid, namespace: 'default', uid, attempt: 0 },
      labels: { [labels.podUid]: uid },
    });
  const list = async () => ['stuck', 'left'];
  const orphans: string[] = [];
  const pods = new PodSet(
    sparse<KubeletContext>({
      counts: sparse<KubeletContext['counts']>({ workBegan: () => undefined }),
      logger: silentLogger,
      timings: {
        orphanFound: () => void orphans.push('found'),
        orphanVolumes: (cleaned: number, failed: number) => void orphans.push(`volumes ${cleaned} ${failed}`),
      },
      runtime: sparse<KubeletContext['runtime']>({
        listPodSandboxes: async () => ['stuck', 'left'].map(sandboxOf),
        stopPodSandbox: async (id) => {
          if (id === 'sandbox-stuck') throw new Error('it does not stop');
        },
        removePodSandbox: remove('sandbox'),
      }),
      volumes: sparse<KubeletContext['volumes']>({
        list,
        tearDown: remove('volumes'),
        clearUnused: async () => undefined,
      }),
      claims: sparse<KubeletContext['claims']>({
        tidy: async (isActive: (uid: string) => boolean) =>
          void removed.push(...(await list()).filter((uid) => !isActive(uid)).map((uid) => `devices ${uid}`)),
      }),
      devices: sparse<KubeletContext['devices']>({
        tidy: async (isWanted: (uid: string) => boolean) =>
          void removed.push(...(await list()).filter((uid) => !isWanted(uid)).map((uid) => `plugins ${uid}`)),
      }),
      userNamespaces: sparse<KubeletContext['userNamespaces']>({ list, release: remove('users') }),
      machine: sparse<KubeletContext['machine']>({
        cgroups: sparse<KubeletContext['machine']['cgroups']>({ list, remove: remove('group') }),
        files: sparse<KubeletContext['machine']['files']>({
          async listPods() {
            cleared.resolve();
            return list();
          },
          removePod: remove('files'),
        }),
      }),
    }),
  );
  pods.follow(sparse<Informer<Pod>>({ handle: () => undefined }));
  await cleared.promise;
  await new Promise(setImmediate);
  assert.deepEqual(removed, [
    'sandbox sandbox-left',
    'devices left',
    'plugins left',
    'volumes left',
    'group left',
    'users left',
    'files left',
  ]);
  assert.deepEqual(orphans, ['found', 'found', 'volumes 1 0']);
});

test('after a restart, pods that run already have their share of the node before any new one is admitted', async () => {
  const sandbox = sparse<Sandbox>({
    id: 's',
    metadata: { name: 'ran', namespace: 'default', uid: 'ran', attempt: 0 },
    labels: { [labels.podUid]: 'ran' },
  });
  const clock = new VirtualClock();
  const stop = new AbortController();
  let lists = 0;
  const pods = new PodSet(
    sparse<KubeletContext>({
      counts: sparse<KubeletContext['counts']>({ workBegan: () => undefined }),
      logger: silentLogger,
      clock,
      signal: stop.signal,
      runtime: sparse<KubeletContext['runtime']>({
        // The first list covers all pods; each worker's query for its own pod takes its time.
        listPodSandboxes: async () => (lists++ === 0 ? [sandbox] : new Promise(() => undefined)),
        listContainers: async () => [],
        events: () => new Promise(() => undefined),
      }),
    }),
  );
  await pods.start();
  const named = (uid: string, status: Pod['status'] = {}) => {
    const pod = testPod({}, status);
    return { ...pod, metadata: { ...pod.metadata, name: uid, uid } };
  };
  const known = [named('new'), named('ran', { phase: 'Running' })];
  pods.follow(
    sparse<Informer<Pod>>({ handle: ({ added }: { added(pod: Pod): void }) => known.forEach(added) }),
  );
  assert.deepEqual(
    pods.admitted('new').map(({ metadata }) => metadata.uid),
    ['ran'],
  );
  assert.deepEqual(pods.admitted('ran'), []);
  assert.deepEqual(pods.find('ran')?.pod.metadata.annotations, {
    'kubernetes.io/config.seen': new Date(clock.now()).toISOString(),
    'kubernetes.io/config.source': 'api',
  });
  stop.abort();
});

test('a change of a pod leaves alone since when the node has it, although time has gone on', () => {
  let nowMs = 0;
  const pods = new PodSet(
    sparse<KubeletContext>({
      clock: sparse<KubeletContext['clock']>({ now: () => nowMs++, monotonic: () => nowMs++ }),
      counts: sparse<KubeletContext['counts']>({ workBegan: () => undefined }),
      statuses: sparse<KubeletContext['statuses']>({ noteServerStatus: () => undefined }),
      signal: AbortSignal.abort(),
    }),
  );
  const pod = testPod();
  const seen = () => pods.find(pod.metadata.uid)?.pod.metadata.annotations?.['kubernetes.io/config.seen'];
  pods.update(pod);
  const before = seen();
  const { metadata } = pod;
  pods.update({ ...pod, metadata: { ...metadata, resourceVersion: '9', annotations: { own: '1' } } });
  assert.equal(pods.find(metadata.uid)?.pod.metadata.annotations?.own, '1');
  assert.equal(seen(), before);
});
