/**
 * Has CSI volumes attached to the nodes whose pods use them, and detached once the nodes have released them: this
 * controller creates and deletes VolumeAttachments, and the driver's own attacher does the rest. A node uses a volume
 * only while the node's status, which both sides write, lists it as attached: so a volume is never taken from under a
 * pod that has just arrived.
 */

import { createHash } from 'node:crypto';
import {
  CSIDriver,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VolumeAttachment,
} from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { leastOf } from '../../base/least-of.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { hasOutOfServiceTaint, nodeCondition } from '../nodes/node-state.ts';
import { isPodTerminal } from '../pods/pod-state.ts';
import {
  attachedAfter,
  letGoMs,
  mayDetach,
  planAttachments,
  uniqueVolumeName,
} from './attach/attach-plan.ts';
import { LastReports, planReports } from './attach/attach-reports.ts';
import { claimKeysOf, podsByClaim } from './claims-of-pod.ts';

const attachmentsByVolume = 'volume';
const attachmentsByNode = 'node';
const generatedName = /^csi-[0-9a-f]{64}$/;
const nodeOf = ({ spec }: VolumeAttachment): string[] => (spec?.nodeName ? [spec.nodeName] : []);
/** By name; none for an attachment with an inline volume. */
const volumeOf = ({ spec }: VolumeAttachment): string[] => {
  const name = spec?.source?.persistentVolumeName;
  return name === undefined ? [] : [name];
};

const watches = [
  watch(Pod, (pod, old, informers) =>
    old && old !== pod && isUsing(old) === isUsing(pod) ? [] : volumesOfPod(pod, informers),
  ),
  watch(PersistentVolumeClaim, ({ spec }) => (spec?.volumeName ? [spec.volumeName] : [])),
  watch(VolumeAttachment, volumeOf),
  watch(Node, (node, old, informers) => {
    if (old && old !== node && hold(old) === hold(node)) return [];
    return attachmentsOn(informers, node.metadata.name).flatMap(volumeOf);
  }),
  watch(CSIDriver, ({ metadata }, _old, informers) =>
    [...informers.of(PersistentVolume).list()]
      .filter(({ spec }) => spec?.csi?.driver === metadata.name)
      .map((volume) => volume.metadata.name),
  ),
];

export function attachDetachController(): AnyController {
  const reported = new LastReports();
  const held = new HeldVolumes();
  return defineController({
    name: 'attachdetach',
    component: 'attachdetach-controller',
    reconciles: PersistentVolume,
    concerns: ({ spec }: PersistentVolume) => spec?.csi !== undefined,
    watches,
    async reconcile(name, cluster, signal) {
      const volume = cluster.get(PersistentVolume, name);
      const attachments = attachmentsOf(cluster, name, volume);
      // A volume that is gone can be neither mounted nor found in use.
      if (!volume) for (const left of attachments) await cluster.delete(VolumeAttachment, left, signal);
      const nowMs = cluster.clock.monotonic();
      if (!volume?.spec?.csi) {
        held.note(name, [], nowMs);
        reported.forget(name);
        return undefined;
      }
      const users = usersOf(cluster, volume);
      const { driver } = volume.spec.csi;
      const isAttachable = cluster.get(CSIDriver, driver)?.spec?.attachRequired ?? true;
      const node = (nodeName: string) => cluster.get(Node, nodeName);
      const heldMs = (nodeName: string) => held.durationMs(name, nodeName, nowMs);
      const plan = planAttachments({ volume, isAttachable, users, attachments, node, heldMs });
      // A node where attaching or detaching fails does not keep the volume from the others.
      let failure: unknown;
      const attempt = (work: Promise<void>) =>
        work.catch((error: unknown) => {
          failure ??= error;
        });
      for (const nodeName of plan.attach) await attempt(attach(cluster, volume, nodeName, signal));
      for (const attachment of plan.offer) await attempt(offer(cluster, volume, attachment, signal));
      for (const attachment of plan.detach) {
        const since = heldMs(attachment.spec?.nodeName ?? '');
        await attempt(detach(cluster, { volume, attachment, heldMs: since }, signal));
      }
      if (failure !== undefined) throw failure;
      const reports = planReports(volume, users, attachments, plan.blocked);
      for (const { pods, type, reason, message } of reported.filter(volume, users, reports))
        for (const pod of pods) cluster.event(targetOf(Pod, pod), type, reason, message);
      const waitMs = held.note(name, plan.held, nowMs);
      return waitMs === undefined ? undefined : { requeueAfterMs: waitMs };
    },
  });
}

/** Since when nodes have held volumes that no pod there wants any longer. */
class HeldVolumes {
  /** By volume and node: ms of the monotonic clock. */
  readonly #sinceMs = new Map<string, number>();

  durationMs(volume: string, nodeName: string, nowMs: number): number {
    return nowMs - (this.#sinceMs.get(`${volume} ${nodeName}`) ?? nowMs);
  }

  /** Returns the time after which the first of the nodes is no longer waited for. */
  note(volume: string, held: readonly VolumeAttachment[], nowMs: number): number | undefined {
    const keys = new Set(held.map(({ spec }) => `${volume} ${spec?.nodeName}`));
    for (const key of this.#sinceMs.keys())
      if (key.startsWith(`${volume} `) && !keys.has(key)) this.#sinceMs.delete(key);
    for (const key of keys) if (!this.#sinceMs.has(key)) this.#sinceMs.set(key, nowMs);
    const left = [...keys].map((key) => this.#sinceMs.get(key)! + letGoMs - nowMs).filter((ms) => ms > 0);
    return leastOf(...left);
  }
}

/** What decides whether a node releases its volumes. */
function hold(node: Node): string {
  const isReady = nodeCondition(node, 'Ready')?.status === 'True';
  return [isReady, hasOutOfServiceTaint(node), ...(node.status?.volumesInUse ?? [])].join();
}

async function attach(
  cluster: ReconcileCluster,
  volume: PersistentVolume,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> {
  const { driver } = volume.spec!.csi!;
  const name = attachmentName(volume, nodeName);
  const source = { persistentVolumeName: volume.metadata.name };
  await cluster.create(
    VolumeAttachment,
    { metadata: { name }, spec: { attacher: driver, nodeName, source } },
    signal,
  );
}

/** Named as by upstream's controller, so that each finds what the other created. */
function attachmentName({ spec }: PersistentVolume, nodeName: string): string {
  const { driver, volumeHandle } = spec!.csi!;
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${nodeName}`).digest('hex')}`;
}

/** Allows the node to use the volume. */
async function offer(
  cluster: ReconcileCluster,
  volume: PersistentVolume,
  { spec }: VolumeAttachment,
  signal: AbortSignal,
): Promise<void> {
  const node = cluster.get(Node, spec?.nodeName ?? '');
  if (node) await setAttached(cluster, node, { name: uniqueVolumeName(volume), isAttached: true }, signal);
}

/**
 * The node is read from the server: a volume that it has begun to use stays, and a write that races with the node's own
 * fails.
 */
async function detach(
  cluster: ReconcileCluster,
  { volume, attachment, heldMs }: { volume: PersistentVolume; attachment: VolumeAttachment; heldMs: number },
  signal: AbortSignal,
): Promise<void> {
  const name = attachment.spec?.nodeName ?? '';
  const node = await cluster.client.get(Node, { name }, signal).catch(undefinedIfNotFound);
  if (node) {
    if (!mayDetach(volume, node, heldMs)) return;
    await setAttached(cluster, node, { name: uniqueVolumeName(volume), isAttached: false }, signal);
  }
  await cluster.delete(VolumeAttachment, attachment, signal);
}

async function setAttached(
  cluster: ReconcileCluster,
  node: Node,
  { name, isAttached }: { name: string; isAttached: boolean },
  signal: AbortSignal,
): Promise<void> {
  const volumesAttached = attachedAfter(node, name, { isAttached });
  if (volumesAttached) await cluster.updateStatus(Node, node, { ...node.status, volumesAttached }, signal);
}

/** On a node, and not ended. */
function isUsing(pod: Pod): boolean {
  return Boolean(pod.spec?.nodeName) && !isPodTerminal(pod);
}

function usersOf(cluster: ReconcileCluster, volume: PersistentVolume): Map<string, Pod[]> {
  const users = new Map<string, Pod[]>();
  const { namespace, name, uid } = volume.spec?.claimRef ?? {};
  const key = `${namespace}/${name}`;
  const claim = cluster.get(PersistentVolumeClaim, key);
  if (!claim || claim.metadata.uid !== uid || claim.spec?.volumeName !== volume.metadata.name) return users;
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  for (const pod of pods.byIndex(podsByClaim, key)) {
    if (!isUsing(pod)) continue;
    const nodeName = pod.spec!.nodeName!;
    users.set(nodeName, [...(users.get(nodeName) ?? []), pod]);
  }
  return users;
}

/**
 * Attachments made by an attach-detach controller, recognized by their names: one created by hand belongs to the user.
 */
function attachmentsOf(
  cluster: ReconcileCluster,
  volumeName: string,
  volume: PersistentVolume | undefined,
): VolumeAttachment[] {
  const attachments = cluster.informer(VolumeAttachment);
  attachments.addIndex(attachmentsByVolume, volumeOf);
  const isOwn = ({ metadata, spec }: VolumeAttachment) =>
    volume?.spec?.csi
      ? metadata.name === attachmentName(volume, spec?.nodeName ?? '')
      : generatedName.test(metadata.name);
  return [...attachments.byIndex(attachmentsByVolume, volumeName)].filter(isOwn);
}

function attachmentsOn(informers: InformerFactory, nodeName: string): VolumeAttachment[] {
  const attachments = informers.of(VolumeAttachment);
  attachments.addIndex(attachmentsByNode, nodeOf);
  return [...attachments.byIndex(attachmentsByNode, nodeName)];
}

function volumesOfPod(pod: Pod, informers: InformerFactory): string[] {
  const claims = informers.of(PersistentVolumeClaim);
  return claimKeysOf(pod).flatMap((key) => claims.get(key)?.spec?.volumeName ?? []);
}
