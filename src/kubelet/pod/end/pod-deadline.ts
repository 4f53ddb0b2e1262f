/** Ends a pod that has been active for longer than its spec allows. */
import { podEvents } from '../pod-events.ts';
import type { PodRecord } from '../pod-record.ts';

export function checkDeadline({ context, pod, end, timer, uid }: PodRecord): void {
  const { activeDeadlineSeconds } = pod.spec;
  if (activeDeadlineSeconds === undefined || end.verdict) return;
  const { clock, recorder, statuses } = context;
  const startTime = pod.status?.startTime ?? statuses.statusOf(uid)?.startTime;
  const startMs = startTime ? Date.parse(startTime) : clock.now();
  const leftMs = startMs + activeDeadlineSeconds * 1000 - clock.now();
  if (leftMs > 0) {
    timer.within(leftMs);
    return;
  }
  const message = 'Pod was active on the node longer than the specified deadline';
  podEvents(recorder, pod).normal('DeadlineExceeded', message);
  end.fail({ reason: 'DeadlineExceeded', message });
}
