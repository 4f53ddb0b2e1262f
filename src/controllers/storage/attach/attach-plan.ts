/** Where a CSI volume should be attached. Decides; never acts. */
import type { Node, PersistentVolume, Pod, VolumeAttachment } from '../../../api/resources.gen.ts';
import type { AttachedVolume } from '../../../api/types/core-v1.gen.ts';
import { hasOutOfServiceTaint, nodeCondition } from '../../nodes/node-state.ts';

/** How long a node that is not ready may hold a volume before it is detached anyway; upstream's figure. */
export const letGoMs = 360_000;

export interface AttachInput {
  volume: PersistentVolume;
  /** Whether its driver attaches volumes at all. */
  isAttachable: boolean;
  /** Pods that use it and have a node, by the node's name. */
  users: ReadonlyMap<string, readonly Pod[]>;
  /** Its attachments, including those being deleted. */
  attachments: readonly VolumeAttachment[];
  node(name: string): Node | undefined;
  /** How long the node has held it without a pod that wants it. */
  heldMs(nodeName: string): number;
}

export interface AttachPlan {
  /** Nodes to attach it to. */
  attach: string[];
  /** No pod there wants it any longer, and the node has released it. */
  detach: VolumeAttachment[];
  /** No pod there wants it any longer, but the node has not released it yet. */
  held: VolumeAttachment[];
  /** It is attached there, and the node may use it. */
  offer: VolumeAttachment[];
  /** Pods that must wait for another node to release it, and why. */
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

/** The name of a volume in a node's status. */
export function uniqueVolumeName({ spec }: PersistentVolume): string {
  return `kubernetes.io/csi/${spec?.csi?.driver}^${spec?.csi?.volumeHandle}`;
}

/** The node has released it, or is not waited for because it is off or has been silent for long. */
export function mayDetach(volume: PersistentVolume, node: Node | undefined, heldMs: number): boolean {
  if (!node || !isInUse(volume, node) || hasOutOfServiceTaint(node)) return true;
  return heldMs >= letGoMs && nodeCondition(node, 'Ready')?.status !== 'True';
}

/** What a node's status lists as attached once the volume of that name is, or no longer is; undefined when it does. */
export function attachedAfter(
  { status }: Node,
  name: string,
  { isAttached }: { isAttached: boolean },
): AttachedVolume[] | undefined {
  const present = status?.volumesAttached ?? [];
  if (present.some((each) => each.name === name) === isAttached) return undefined;
  const others = present.filter((each) => each.name !== name);
  return isAttached ? [...others, { name, devicePath: '' }] : others;
}

/** A node that is gone uses nothing. */
function isInUse(volume: PersistentVolume, node: Node | undefined): boolean {
  return node?.status?.volumesInUse?.includes(uniqueVolumeName(volume)) ?? false;
}

/** Without access modes nothing is known, and nothing is forbidden. */
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
