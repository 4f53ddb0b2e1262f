import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../pod.fixture.ts';
import {
  countedDiskUse,
  defaultThresholds,
  evictionAnnotations,
  evictionGraceSeconds,
  evictionMessage,
  isOfImages,
  metThresholds,
  observe,
  type PodUse,
  pressureOf,
  rankForEviction,
  type Signal,
} from './eviction-plan.ts';
import { exceededLimit, hasStorageLimits } from './local-storage.ts';

const mebibyte = 1024 ** 2;
const none = { bytes: 0, inodes: 0 };
const disk = (available: number) => ({
  capacityBytes: 1000,
  availableBytes: available,
  usedBytes: 0,
  inodes: 100,
  inodesFree: 50,
});

test('thresholds are met by what is available, absolute or as a part, memory first', () => {
  const usage = { memoryAvailableBytes: 50 * mebibyte, nodeFs: disk(50), imageFs: disk(900) };
  const met = metThresholds(defaultThresholds, observe(usage, 1024 * mebibyte)).map(({ signal }) => signal);
  assert.deepEqual(met, ['memory.available', 'nodefs.available']);
  assert.deepEqual(pressureOf(met), { memoryPressure: true, diskPressure: true, pidPressure: false });
  assert.deepEqual(
    metThresholds(defaultThresholds, observe({ nodeFs: { ...disk(500), inodes: 0, inodesFree: 0 } }, 1)),
    [],
  );
});

function use(name: string, memoryMi: number, requestMi: number, priority = 0): PodUse {
  const pod = testPod({
    priority,
    containers: [{ name: 'c', resources: { requests: { memory: `${requestMi}Mi` } } }],
  });
  return {
    pod: { ...pod, metadata: { ...pod.metadata, name } },
    memoryBytes: memoryMi * mebibyte,
    diskBytes: 0,
    inodes: 0,
    pids: 0,
    containers: new Map([['c', { memoryBytes: memoryMi * mebibyte, diskBytes: 0 }]]),
  };
}

test('pods above their requests are evicted first, then by priority, then by how far above they are', () => {
  const ranked = rankForEviction('memory.available', [
    use('within', 90, 100),
    use('above', 150, 100),
    use('far-above', 300, 100),
    use('above-important', 900, 100, 10),
    use('critical', 900, 0, 2_000_000_000),
  ]);
  assert.deepEqual(
    ranked.map(({ pod }) => pod.metadata.name),
    ['far-above', 'above', 'above-important', 'within'],
  );
});

test('without a request everything is above it: how far decides between best-effort and burstable pods', () => {
  const order = (...uses: PodUse[]) =>
    rankForEviction('memory.available', uses).map(({ pod }) => pod.metadata.name);
  assert.deepEqual(order(use('burstable', 150, 100), use('best-effort', 60, 0)), [
    'best-effort',
    'burstable',
  ]);
  assert.deepEqual(order(use('best-effort', 60, 0), use('burstable', 200, 100)), [
    'burstable',
    'best-effort',
  ]);
  assert.deepEqual(order(use('guaranteed', 900, 1000), use('burstable', 99, 100), use('best-effort', 1, 0)), [
    'best-effort',
    'burstable',
    'guaranteed',
  ]);
  assert.deepEqual(order(use('best-effort', 900, 0, 1), use('burstable', 101, 100)), [
    'burstable',
    'best-effort',
  ]);
});

test("evicted pods have the reason in upstream's words", () => {
  const threshold = { signal: 'memory.available', minimum: 100 * mebibyte } as const;
  assert.equal(
    evictionMessage(threshold, { available: 50 * mebibyte, capacity: 1 }, use('p', 300, 100)),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 300Mi, request is 100Mi, has larger consumption of memory. ',
  );
});

test('limits on local storage: of an emptyDir, of a container, of all together', () => {
  const pod = testPod({
    containers: [{ name: 'c', resources: { limits: { 'ephemeral-storage': '10Mi' } } }],
    volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
  });
  const check = (volumeMi: number, containerMi: number) =>
    exceededLimit(pod, {
      emptyDirs: new Map([['v', { bytes: volumeMi * mebibyte, inodes: 1 }]]),
      containers: new Map([['c', { rootfs: { bytes: containerMi * mebibyte, inodes: 1 }, logs: none }]]),
    });
  assert.equal(check(1, 1), undefined);
  assert.deepEqual(check(2, 1), {
    signal: 'emptydirfs.limit',
    message: 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
  });
  assert.deepEqual(check(1, 10), {
    signal: 'ephemeralpodfs.limit',
    message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
  });
  assert.equal(hasStorageLimits(pod), true);
  assert.equal(hasStorageLimits(testPod({ volumes: [{ name: 'v', emptyDir: {} }] })), false);
});

test('the writes of a container without a limit count against the limit of its pod', () => {
  const limited = (amount: string) => ({ resources: { limits: { 'ephemeral-storage': amount } } });
  const pod = testPod({
    containers: [{ name: 'a', ...limited('10Mi') }, { name: 'b', ...limited('1Gi') }, { name: 'free' }],
  });
  const use = (name: string, bytes: number) => ({
    emptyDirs: new Map(),
    containers: new Map([[name, { rootfs: none, logs: { bytes, inodes: 1 } }]]),
  });
  assert.equal(exceededLimit(pod, use('free', 1034 * mebibyte)), undefined);
  assert.deepEqual(exceededLimit(pod, use('free', 1035 * mebibyte)), {
    signal: 'ephemeralpodfs.limit',
    message: 'Pod ephemeral local storage usage exceeds the total limit of containers 1034Mi. ',
  });
  assert.deepEqual(exceededLimit(pod, use('a', 11 * mebibyte)), {
    signal: 'ephemeralcontainerfs.limit',
    message: 'Container a exceeded its local ephemeral storage limit "10Mi". ',
  });
});

test('a threshold that acts is met until so much more is reclaimed', () => {
  const threshold = { signal: 'nodefs.available', minimum: { percent: 10 }, reclaim: 50 } as const;
  const met = (available: number, isActing: boolean) =>
    metThresholds([threshold], observe({ nodeFs: disk(available) }, 1), () => isActing).length > 0;
  assert.deepEqual(
    [met(99, false), met(100, false), met(149, true), met(150, true)],
    [true, false, true, false],
  );
});

test('short of inodes, those go first that have the most, and the message counts them', () => {
  const threshold = { signal: 'nodefs.inodesFree', minimum: 10 } as const;
  const [first] = rankForEviction(threshold.signal, [
    { ...use('few', 1, 0), inodes: 5 },
    { ...use('many', 1, 0), inodes: 500 },
  ]);
  assert.equal(first!.pod.metadata.name, 'many');
  assert.equal(
    evictionMessage(threshold, { available: 3, capacity: 100 }, first!),
    'The node was low on resource: inodes. Threshold quantity: 10, available: 3. ',
  );
});

test('amounts are shown as they were given, counts in thousands', () => {
  const threshold = { signal: 'nodefs.inodesFree', minimum: 4000, minimumText: '4000' } as const;
  assert.match(
    evictionMessage(threshold, { available: 3000, capacity: 10_000 }, use('p', 1, 0)),
    / Threshold quantity: 4k, available: 3k\. $/,
  );
  const bytes = { signal: 'nodefs.available', minimum: 100e6, minimumText: '100M' } as const;
  assert.match(
    evictionMessage(bytes, { available: 3000, capacity: 1e9 }, use('p', 1, 0)),
    / Threshold quantity: 100M, available: 3000\. $/,
  );
});

test('programs read at the event what was short and who used more than it asked for', () => {
  const one = use('p', 300, 100);
  assert.deepEqual(evictionAnnotations('memory.available', one), {
    offending_containers: 'c',
    offending_containers_usage: '300Mi',
    starved_resource: 'memory',
  });
  assert.deepEqual(evictionAnnotations('nodefs.inodesFree', one), {
    offending_containers: '',
    offending_containers_usage: '',
    starved_resource: 'inodes',
  });
  const pod = { ...one.pod, spec: { ...one.pod.spec, resources: { requests: { memory: '200Mi' } } } };
  const { offending_pod: name, offending_pod_usage: usage } = evictionAnnotations('memory.available', {
    ...one,
    pod,
  });
  assert.deepEqual([name, usage], ['p', '300Mi']);
});

test('pods that come near what they may have together are short of memory, however much the machine has', () => {
  const threshold = { signal: 'allocatableMemory.available', minimum: 100 } as const;
  const met = (usedBytes: number) =>
    metThresholds(
      [{ signal: 'nodefs.available', minimum: 600 }, threshold],
      observe({ memoryAvailableBytes: 1e9, nodeFs: disk(500) }, 2e9, { usedBytes, maxBytes: 300 }),
    ).map(({ signal }) => signal);
  assert.deepEqual(met(200), ['nodefs.available']);
  assert.deepEqual(met(201), ['allocatableMemory.available', 'nodefs.available']);
  assert.equal(pressureOf(met(201)).memoryPressure, true);
  assert.match(
    evictionMessage(threshold, { available: 99, capacity: 300 }, use('p', 1, 0)),
    /^The node was low on resource: memory\. Threshold quantity: 100, available: 99\. /,
  );
});

test('images on a disk of their own: writable layers count there, logs and volumes on the other', () => {
  const of = (bytes: number) => ({ bytes, inodes: 1 });
  const written = {
    emptyDirs: new Map([['v', of(1)]]),
    containers: new Map([['c', { rootfs: of(10), logs: of(100) }]]),
  };
  const counted = (signal: Signal, imageFsIsApart: boolean) =>
    countedDiskUse(signal, written, { imageFsIsApart }).bytes;
  assert.deepEqual([counted('nodefs.available', false), counted('imagefs.available', false)], [111, 111]);
  assert.deepEqual([counted('nodefs.available', true), counted('imagefs.available', true)], [101, 10]);
  const reclaims = (signal: Signal, imageFsIsApart: boolean) => isOfImages(signal, { imageFsIsApart });
  assert.deepEqual([reclaims('nodefs.available', false), reclaims('nodefs.inodesFree', true)], [true, false]);
  assert.deepEqual([reclaims('imagefs.available', true), reclaims('memory.available', false)], [true, false]);
});

test('a hard threshold leaves a second, a soft one what it allows and the pod wants', () => {
  const hard = { signal: 'memory.available', minimum: 1 } as const;
  const soft = { ...hard, graceMs: 0, podGraceSeconds: 20 };
  assert.deepEqual([evictionGraceSeconds(hard, 30), evictionGraceSeconds(hard, 0)], [1, 1]);
  assert.deepEqual([evictionGraceSeconds(soft, 30), evictionGraceSeconds(soft, 5)], [20, 5]);
});

test('a threshold that is a part of the capacity is shown to the byte', () => {
  const threshold = { signal: 'nodefs.available', minimum: { percent: 10 } } as const;
  const message = evictionMessage(
    threshold,
    { available: 9 * mebibyte, capacity: 100_000 * mebibyte + 4096 },
    { ...use('p', 0, 0), containers: new Map() },
  );
  assert.equal(
    message,
    'The node was low on resource: ephemeral-storage. Threshold quantity: 10485760565, available: 9Mi. ',
  );
});

test('pod-level requests count in the order of eviction, too', () => {
  const one = use('p', 300, 100);
  const pod = { ...one.pod, spec: { ...one.pod.spec, resources: { requests: { memory: '200Mi' } } } };
  assert.match(
    evictionMessage(
      { signal: 'memory.available', minimum: 1 },
      { available: 0, capacity: 1 },
      { ...one, pod },
    ),
    / Pod p was using 300Mi, request is 200Mi, has larger consumption of memory\. Container c was using 300Mi,/,
  );
});
