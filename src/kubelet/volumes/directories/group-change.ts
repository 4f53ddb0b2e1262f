/** Gives a pod's volume to its group, and says in events when that takes long, as upstream does. */
import { stat } from 'node:fs/promises';
import type { Pod } from '../../../api/resources.gen.ts';
import { type Clock, pause } from '../../../base/clock.ts';
import type { EventRecorder } from '../../../client/events/event-recorder.ts';
import { podEvents } from '../../pod/pod-events.ts';
import { giveToGroup } from './ownership.ts';

export interface GroupChange {
  pod: Pod;
  path: string;
  clock: Clock;
  recorder: EventRecorder;
}

const firstAfterMs = 30_000;
const everyMs = 60_000;
const advice =
  'is taking longer than expected, consider using OnRootMismatch - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods';

/** `give`: unless a test has another. */
export async function giveToPodsGroup(change: GroupChange, gid: number, give = giveToGroup): Promise<void> {
  const ended = new AbortController();
  let files = 0;
  void reportProgress(change, () => files, ended.signal);
  try {
    await give(change.path, gid, change.pod.spec.securityContext?.fsGroupChangePolicy, () => void files++);
  } finally {
    ended.abort();
  }
}

/** A volume that other pods use is not taken from their group: the pod is told when that is another one. */
export async function keepGroup(
  { pod, path, recorder }: Pick<GroupChange, 'pod' | 'path' | 'recorder'>,
  shownAs: string,
  gid: number,
): Promise<void> {
  const present = (await stat(path)).gid;
  if (present === gid) return;
  podEvents(recorder, pod).warning(
    'AlreadyMountedVolume',
    `The requested fsGroup is ${gid}, but the volume ${shownAs} has GID ${present}. The volume may not be shareable.`,
  );
}

async function reportProgress(
  { pod, path, clock, recorder }: GroupChange,
  files: () => number,
  signal: AbortSignal,
): Promise<void> {
  // From the pod's uid on, where that is in it.
  const shown = path.slice(Math.max(0, path.indexOf(pod.metadata.uid)));
  const tell = (what: string) =>
    podEvents(recorder, pod).warning(
      'VolumePermissionChangeInProgress',
      `Setting volume ownership for ${shown}${what}`,
    );
  await pause(clock, firstAfterMs, signal);
  if (!signal.aborted) tell(` ${advice}`);
  while (!signal.aborted) {
    await pause(clock, everyMs, signal);
    if (!signal.aborted) tell(`, processed ${files()} files.`);
  }
}
