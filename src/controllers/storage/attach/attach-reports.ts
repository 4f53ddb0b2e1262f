/** What pods are told about the attachment of their volumes. */
import type { PersistentVolume, Pod, VolumeAttachment } from '../../../api/resources.gen.ts';
import type { AttachPlan } from './attach-plan.ts';

/** One event for each of the pods. */
export interface AttachReport {
  nodeName: string;
  pods: readonly Pod[];
  type: 'Normal' | 'Warning';
  reason: 'SuccessfulAttachVolume' | 'FailedAttachVolume';
  message: string;
}

/** The state of the volume on each node where pods use it; reported only when it is another than before. */
export function planReports(
  volume: PersistentVolume,
  users: ReadonlyMap<string, readonly Pod[]>,
  attachments: readonly VolumeAttachment[],
  blocked: AttachPlan['blocked'],
): AttachReport[] {
  const { name } = volume.metadata;
  const failed = { type: 'Warning', reason: 'FailedAttachVolume' } as const;
  const reports: AttachReport[] = blocked.map(({ pods, message }) => ({
    nodeName: pods[0]?.spec?.nodeName ?? '',
    pods,
    ...failed,
    message,
  }));
  for (const { spec, status } of attachments) {
    const nodeName = spec?.nodeName ?? '';
    // Pods that already run had the event from the controller that attached the volume.
    const pods = (users.get(nodeName) ?? []).filter((pod) => pod.status?.phase === 'Pending');
    if (status?.attached)
      reports.push({
        nodeName,
        pods,
        type: 'Normal',
        reason: 'SuccessfulAttachVolume',
        message: `AttachVolume.Attach succeeded for volume "${name}" `,
      });
    else if (status?.attachError?.message)
      reports.push({
        nodeName,
        pods,
        ...failed,
        message: `AttachVolume.Attach failed for volume "${name}" : ${status.attachError.message}`,
      });
  }
  return reports;
}

/** What was last reported, so that it is not repeated until it changes. */
export class LastReports {
  /** By volume and node: the message. */
  readonly #messages = new Map<string, string>();

  /** Of a volume that is gone. */
  forget(volume: string): void {
    for (const key of this.#messages.keys()) if (key.startsWith(`${volume} `)) this.#messages.delete(key);
  }

  /** Those that are news. Nodes without `users` of the volume are forgotten. */
  filter(
    { metadata: { name } }: PersistentVolume,
    users: ReadonlyMap<string, unknown>,
    reports: readonly AttachReport[],
  ): AttachReport[] {
    for (const key of this.#messages.keys()) {
      const [volumeName, nodeName] = key.split(' ') as [string, string];
      if (volumeName === name && !users.has(nodeName)) this.#messages.delete(key);
    }
    return reports.filter(({ nodeName, message }) => {
      const key = `${name} ${nodeName}`;
      if (this.#messages.get(key) === message) return false;
      this.#messages.set(key, message);
      return true;
    });
  }
}
