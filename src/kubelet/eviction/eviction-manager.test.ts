import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { KubeletContext } from '../context.ts';
import type { ImageGc } from '../images/image-gc.ts';
import type { MachineUsage } from '../machine.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import type { NodeReporter } from '../node/node-reporter.ts';
import type { Eviction } from '../pod/end/pod-end.ts';
import type { PodSet } from '../pod/pod-set.ts';
import { testPod } from '../pod.fixture.ts';
import { EvictionManager } from './eviction-manager.ts';
import type { Threshold } from './eviction-plan.ts';

const rootDir = mkdtempSync(join(tmpdir(), 'wherry-eviction-'));
after(() => rmSync(rootDir, { recursive: true }));

/** A node with these pods; `happened` lists in order what happened. */
function setup(options: { pods: Pod[]; usage: MachineUsage; thresholds: Threshold[]; imageBytes?: number }) {
  const clock = new VirtualClock();
  const happened: string[] = [];
  /** Signals for which evictions were decided on. */
  const decided: string[] = [];
  const evictions: (Eviction & { pod: string })[] = [];
  const pressure = { memoryPressure: false, diskPressure: false, pidPressure: false };
  let imageBytes = options.imageBytes ?? 0;
  const recorder: EventRecorder = {
    event: ({ name }, _type, reason) => void happened.push(`${reason} ${name}`),
    flushed: async () => undefined,
    for: () => recorder,
    annotated: () => recorder,
  };
  const context = sparse<KubeletContext>({
    clock,
    logger: silentLogger,
    signal: new AbortController().signal,
    memoryCapacityBytes: 1000,
    recorder,
    node: () => ({ nodeName: 'n' }),
    counts: {
      evicted: (signal: string) => void happened.push(`counted ${signal}`),
      evictionDecided: (signal: string) => void decided.push(signal),
    },
    runtime: { listContainerStats: async () => [] },
    machine: {
      usage: async () => options.usage,
      files: { writableLayers: async () => new Map() },
      cgroups: { podUsage: async () => undefined, podsUsage: async () => undefined },
    },
  });
  const workers = options.pods.map((pod) => ({
    pod,
    uid: pod.metadata.uid,
    observed: { sandboxes: [], containers: [] },
    isAdmitted: true,
    isTerminating: false,
    isStatic: false,
    isDone: false,
    done: async () => undefined,
    evict: (eviction: Eviction) => void evictions.push({ pod: pod.metadata.name, ...eviction }),
  }));
  const manager = new EvictionManager({
    context,
    rootDir,
    podsMemoryMaxBytes: 1000,
    pods: sparse<PodSet>({
      workers: () => workers,
      find: (uid: string) => workers.find((worker) => worker.uid === uid),
    }),
    reporter: sparse<NodeReporter>({ pressure }),
    registration: sparse<NodeRegistration>({ refresh: () => void happened.push('condition') }),
    imageGc: sparse<ImageGc>({
      free: async () => {
        const freed = imageBytes;
        imageBytes = 0;
        if (freed > 0) happened.push('images');
        return freed;
      },
    }),
    thresholds: options.thresholds,
    pressureStaysMs: 1000,
  });
  return { manager, happened, decided, evictions };
}

function podNamed(name: string, spec: Partial<Pod['spec']> = {}): Pod {
  const pod = testPod(spec);
  return { ...pod, metadata: { ...pod.metadata, name, uid: name } };
}

const full = { capacityBytes: 1000, availableBytes: 50, usedBytes: 950, inodes: 100, inodesFree: 50 };

test('short of disk the node says so, frees images, and evicts a pod only when that was not enough', async () => {
  const { manager, happened, decided, evictions } = setup({
    pods: [podNamed('p', { terminationGracePeriodSeconds: 60 })],
    usage: { nodeFs: full },
    thresholds: [{ signal: 'nodefs.available', minimum: 100 }],
    imageBytes: 10,
  });
  assert.equal(await manager.look(), true);
  assert.deepEqual(happened, ['condition', 'EvictionThresholdMet n', 'images']);
  assert.deepEqual(decided, []);
  assert.equal(await manager.look(), true);
  assert.deepEqual(happened.slice(3), ['EvictionThresholdMet n', 'Evicted p', 'counted nodefs.available']);
  assert.deepEqual(decided, ['nodefs.available']);
  const [{ message, ...eviction }] = evictions as [Eviction & { pod: string }];
  assert.deepEqual(eviction, {
    pod: 'p',
    reason: 'Evicted',
    graceSeconds: 1,
    disruption: { reason: 'TerminationByKubelet', message },
  });
});

test('a pod above its own limit is evicted without a disruption, unless it is critical; pressure is reported nevertheless', async () => {
  const volumes = [{ name: 'v', emptyDir: { sizeLimit: '1' } }];
  for (const name of ['own', 'critical']) {
    const folder = join(rootDir, 'pods', name, 'volumes/kubernetes.io~empty-dir/v');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'file'), 'more than a byte');
  }
  const { manager, happened, evictions } = setup({
    pods: [podNamed('critical', { volumes, priority: 2_000_000_000 }), podNamed('own', { volumes })],
    usage: { memoryAvailableBytes: 1 },
    thresholds: [{ signal: 'memory.available', minimum: 100 }],
  });
  assert.equal(await manager.look(), true);
  assert.deepEqual(happened, ['condition', 'Evicted own', 'counted emptydirfs.limit']);
  const message = 'Usage of EmptyDir volume "v" exceeds the limit "1". ';
  assert.deepEqual(evictions, [{ pod: 'own', reason: 'Evicted', message, graceSeconds: 1 }]);
});
