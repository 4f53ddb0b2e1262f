/** Usage of volumes: for `/stats/summary`, and that of claims as `kubelet_volume_stats_*`. */
import { stabilityOf } from '../../../api/component-base/kubernetes-metrics.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import type { VolumeUse } from '../../volumes/pod-volumes.ts';
import { expose, type Family, type Sample } from './exposition.ts';

interface ClaimReference {
  name: string;
  namespace: string;
}

export interface VolumeSample {
  name: string;
  time: string;
  availableBytes: number;
  capacityBytes: number;
  usedBytes: number;
  inodes: number;
  inodesFree: number;
  inodesUsed: number;
  /** Of the claim; absent: the volume is the pod's own. */
  pvcRef?: ClaimReference;
}

/** The volume of a claim. */
export type ClaimSample = VolumeSample & { pvcRef: ClaimReference };

/** As upstream: drivers are not queried for each scrape. */
const keptMs = 60_000;
/** The longest wait for one volume: an NFS server that is gone must not hold up the other figures. */
const answerWithinMs = 2_000;

export class VolumeStats {
  readonly #kubelet: Kubelet;
  /** For as long as the pod is here. */
  readonly #kept = new WeakMap<PodWorker, { atMs: number; samples: VolumeSample[] }>();
  /** Unanswered queries. */
  readonly #asked = new WeakMap<PodWorker, Promise<VolumeSample[]>>();

  constructor(kubelet: Kubelet) {
    this.#kubelet = kubelet;
  }

  async ofPod(worker: PodWorker): Promise<VolumeSample[]> {
    const { clock } = this.#kubelet.context;
    const kept = this.#kept.get(worker);
    if (kept && clock.monotonic() - kept.atMs < keptMs) return kept.samples;
    // A file system whose server is gone does not answer; each further query would block another thread.
    const asked = this.#asked.get(worker) ?? this.#ask(worker).finally(() => this.#asked.delete(worker));
    this.#asked.set(worker, asked);
    const answered = Promise.withResolvers<VolumeSample[]>();
    const timer = clock.after(answerWithinMs, () => answered.resolve(kept?.samples ?? []));
    void asked.then((samples) => answered.resolve(samples)).finally(() => timer.cancel());
    return answered.promise;
  }

  async #ask(worker: PodWorker): Promise<VolumeSample[]> {
    const { clock, volumes, logger } = this.#kubelet.context;
    const time = new Date(clock.now()).toISOString();
    const { namespace = '', name } = worker.pod.metadata;
    let samples: VolumeSample[] = [];
    try {
      samples = (await volumes.usage(worker.pod)).map((use) => sampleOf(use, namespace, time));
    } catch (error) {
      logger.info('the volumes of a pod tell nothing', { pod: `${namespace}/${name}`, error });
    }
    this.#kept.set(worker, { atMs: clock.monotonic(), samples });
    return samples;
  }

  /** In Prometheus' text format; a claim that several pods use appears once. */
  async metrics(): Promise<string> {
    const byClaim = new Map<string, ClaimSample>();
    const samples = await Promise.all([...this.#kubelet.pods.workers()].map((worker) => this.ofPod(worker)));
    for (const { pvcRef, ...sample } of samples.flat())
      if (pvcRef) byClaim.set(`${pvcRef.namespace}/${pvcRef.name}`, { ...sample, pvcRef });
    return volumeMetrics([...byClaim.values()]);
  }
}

const families: readonly [suffix: string, help: string, read: (sample: VolumeSample) => number][] = [
  ['available_bytes', 'Number of available bytes in the volume', ({ availableBytes }) => availableBytes],
  ['capacity_bytes', 'Capacity in bytes of the volume', ({ capacityBytes }) => capacityBytes],
  ['inodes', 'Maximum number of inodes in the volume', ({ inodes }) => inodes],
  ['inodes_free', 'Number of free inodes in the volume', ({ inodesFree }) => inodesFree],
  ['inodes_used', 'Number of used inodes in the volume', ({ inodesUsed }) => inodesUsed],
  ['used_bytes', 'Number of used bytes in the volume', ({ usedBytes }) => usedBytes],
];

export function volumeMetrics(volumes: readonly ClaimSample[]): string {
  if (volumes.length === 0) return '';
  return expose(
    families.map(([suffix, help, read]): Family => {
      const samples = volumes.map(
        (volume): Sample => ({
          labels: { namespace: volume.pvcRef.namespace, persistentvolumeclaim: volume.pvcRef.name },
          value: read(volume),
        }),
      );
      return { name: `kubelet_volume_stats_${suffix}`, help, type: 'gauge', samples };
    }),
    stabilityOf,
  );
}

function sampleOf(use: VolumeUse, namespace: string, time: string): VolumeSample {
  const { name, claimName, ...figures } = use;
  const ofClaim = claimName !== undefined && { pvcRef: { name: claimName, namespace } };
  return { name, time, ...figures, ...ofClaim };
}
