/** Reports in a pod's status why it has no node. */
import { Pod } from '../api/resources.gen.ts';
import { formatTime } from '../api/schema/time.ts';
import { isNotFound } from '../api/status.ts';
import type { ConcurrencyLimit } from '../base/async/concurrency-limit.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Client } from '../client/client.ts';
import type { QueuedPod } from './queue/queued-pod.ts';

export interface StatusWriteOptions {
  queued: QueuedPod;
  client: Client;
  writes: ConcurrencyLimit;
  logger: Logger;
  signal: AbortSignal;
}

export interface PodStatusOptions extends StatusWriteOptions {
  reason: 'Unschedulable' | 'SchedulerError';
  message: string;
  /** '' withdraws an earlier nomination; undefined leaves it as it is. */
  nominatedNode?: string | undefined;
  clock: Clock;
}

/** Returns at once; the write is queued behind earlier ones of the same pod. */
export function writePodStatus(options: PodStatusOptions): void {
  const { queued, clock, nominatedNode } = options;
  const patch = computeStatusPatch(queued, options, clock.now());
  if (nominatedNode !== undefined) queued.nominationWritten = undefined;
  if (patch) writeInOrder(patch, options);
}

/** Tells where the pod is going to be bound. Returns at once. */
export function nominateNode(options: StatusWriteOptions, nodeName: string): void {
  const { queued } = options;
  const { metadata, status } = queued.info.pod;
  if (status?.nominatedNodeName === nodeName) return;
  queued.nominationWritten = nodeName;
  writeInOrder({ metadata: { uid: metadata.uid }, status: { nominatedNodeName: nodeName } }, options);
}

/** As {@link writePodStatus}; also where the nomination itself is still to be written, or to be seen. */
export function withdrawNomination(options: StatusWriteOptions): void {
  const { uid } = options.queued.info.pod.metadata;
  writeInOrder({ metadata: { uid }, status: { nominatedNodeName: null } }, options);
}

function writeInOrder(patch: object, { queued, client, writes, logger, signal }: StatusWriteOptions): void {
  const { name, namespace } = queued.info.pod.metadata;
  const at = { name, ...(namespace && { namespace }) };
  const write = () => client.patch(Pod, at, patch, { type: 'strategic', subresource: 'status', signal });
  queued.statusWrite = queued.statusWrite.then(async () => {
    try {
      await writes.run(write);
    } catch (error) {
      // A pod that is gone needs no status.
      if (signal.aborted || isNotFound(error)) return;
      logger.warn("a pod's status could not be written", { pod: queued.info.key, error });
    }
  });
}

/** The difference from the present status; undefined when there is none. */
function computeStatusPatch(
  { info: { pod }, nominationWritten = pod.status?.nominatedNodeName ?? '' }: QueuedPod,
  wanted: Pick<PodStatusOptions, 'reason' | 'message' | 'nominatedNode'>,
  nowMs: number,
): object | undefined {
  const { reason, message, nominatedNode } = wanted;
  const current = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const isSame = current?.status === 'False' && current.reason === reason && current.message === message;
  const isNominated = nominatedNode === undefined || nominatedNode === nominationWritten;
  if (isSame && isNominated) return undefined;
  const lastTransitionTime = current?.status === 'False' ? current.lastTransitionTime : formatTime(nowMs);
  const { generation } = pod.metadata;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    lastProbeTime: null,
    lastTransitionTime,
    reason,
    message,
    ...(generation !== undefined && { observedGeneration: generation }),
  };
  return {
    // The uid protects another pod of the same name.
    metadata: { uid: pod.metadata.uid },
    status: {
      ...(!isSame && { conditions: [condition] }),
      ...(!isNominated && { nominatedNodeName: nominatedNode || null }),
    },
  };
}
