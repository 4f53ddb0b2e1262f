/** Where a CSI volume should be attached: every rule of it, without acting. */
import type { Node, PersistentVolume, Pod, VolumeAttachment } from '../../api/resources.gen.ts';
import { hasOutOfServiceTaint, nodeCondition } from '../nodes/node-state.ts';

/** A node that is not ready and has not let go of a volume for so long is not waited for any longer; upstream's. */
export const letGoMs = 360_000;

export interface AttachInput {
  volume: PersistentVolume;
  /** Its driver has volumes attached at all. */
  isAttachable: boolean;
  /** Pods that use it and are on a node, by the node's name. */
  users: ReadonlyMap<string, readonly Pod[]>;
  /** Its attachments, those on their way out included. */
  attachments: readonly VolumeAttachment[];
  node(name: string): Node | undefined;
  /** For how long the node has used it though nobody there wants it any more. */
  heldMs(nodeName: string): number;
}

export interface AttachPlan {
  /** Nodes to attach it to. */
  attach: string[];
  /** Nobody there wants it any more, and the node has let go of it. */
  detach: VolumeAttachment[];
  /** Nobody there wants it any more, but the node has not let go of it yet. */
  held: VolumeAttachment[];
  /** It is attached there, and the node may use it. */
  offer: VolumeAttachment[];
  /** Pods that must wait for another node to let go, with why. */
  blocked: { pods: readonly Pod[]; message: string }[];
}

export function planAttachments(input: AttachInput): AttachPlan {
  const { volume, users, attachments } = input;
  const plan: AttachPlan = { attach: [], detach: [], held: [], offer: [], blocked: [] };
  const wanted = input.isAttachable ? users : new Map<string, readonly Pod[]>();
  const present = new Set<string>();
  for (const attachment of attachments) {
    const { nodeName = '' } = attachment.spec ?? {};
    present.add(nodeName);
    if (attachment.metadata.deletionTimestamp) continue;
    if (wanted.has(nodeName)) {
      if (attachment.status?.attached) plan.offer.push(attachment);
    } else if (mayDetach(volume, input.node(nodeName), input.heldMs(nodeName))) plan.detach.push(attachment);
    else plan.held.push(attachment);
  }
  for (const [nodeName, pods] of wanted) {
    if (present.has(nodeName) || !input.node(nodeName)) continue;
    if (isExclusive(volume) && (present.size > 0 || plan.attach.length > 0))
      plan.blocked.push({ pods, message: multiAttachMessage(volume, pods, users) });
    else plan.attach.push(nodeName);
  }
  return plan;
}

/** As a node's status names volumes. */
export function uniqueVolumeName({ spec }: PersistentVolume): string {
  return `kubernetes.io/csi/${spec?.csi?.driver}^${spec?.csi?.volumeHandle}`;
}

/** The node has let go of it, or is not to be waited for: it is off, or has been silent for long. */
export function mayDetach(volume: PersistentVolume, node: Node | undefined, heldMs: number): boolean {
  if (!node || !isInUse(volume, node) || hasOutOfServiceTaint(node)) return true;
  return heldMs >= letGoMs && nodeCondition(node, 'Ready')?.status !== 'True';
}

/** A node that is gone uses nothing. */
function isInUse(volume: PersistentVolume, node: Node | undefined): boolean {
  return node?.status?.volumesInUse?.includes(uniqueVolumeName(volume)) ?? false;
}

/** Without modes nothing is known, and nothing forbidden. */
function isExclusive({ spec }: PersistentVolume): boolean {
  const modes = spec?.accessModes ?? [];
  return modes.length > 0 && !modes.includes('ReadWriteMany') && !modes.includes('ReadOnlyMany');
}

function multiAttachMessage(
  volume: PersistentVolume,
  pods: readonly Pod[],
  users: ReadonlyMap<string, readonly Pod[]>,
): string {
  const prefix = `Multi-Attach error for volume "${volume.metadata.name}"`;
  const others = [...users.values()].flat().filter((pod) => !pods.includes(pod));
  if (others.length === 0)
    return `${prefix} Volume is already exclusively attached to one node and can't be attached to another`;
  const { namespace } = pods[0]!.metadata;
  const own = others.filter(({ metadata }) => metadata.namespace === namespace);
  const names = own.map(({ metadata }) => metadata.name).join(', ');
  const foreign = others.length - own.length;
  if (own.length === 0)
    return `${prefix} Volume is already used by ${foreign} pod(s) in different namespaces`;
  const more = foreign > 0 ? ` and ${foreign} pod(s) in different namespaces` : '';
  return `${prefix} Volume is already used by pod(s) ${names}${more}`;
}
