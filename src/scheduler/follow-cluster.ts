/** Feeds changes from the server into cache and queue, and reports those that could help a waiting pod. */
import type { ResourceType } from '../api/meta.ts';
import {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  DeviceClass,
  DeviceTaintRule,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ResourceClaim,
  ResourceSlice,
  StorageClass,
} from '../api/resources.gen.ts';
import { sameLabels } from '../api/selectors/same-labels.ts';
import type { InformerFactory } from '../client/informers/informer.ts';
import type { SchedulerCache } from './cache.ts';
import type { ClusterChange, ClusterResource } from './framework/plugin.ts';
import { isLessOfAny } from './framework/resources.ts';
import type { SchedulingQueue } from './queue.ts';

export interface FollowOptions {
  informers: InformerFactory;
  cache: SchedulerCache;
  queue: SchedulingQueue;
}

export function followCluster(options: FollowOptions): void {
  followNamespaces(options);
  followNodes(options);
  followPods(options);
  for (const [resource, type] of otherResources) followResource(options, resource, type);
}

const otherResources = [
  ['PersistentVolume', PersistentVolume],
  ['PersistentVolumeClaim', PersistentVolumeClaim],
  ['StorageClass', StorageClass],
  ['CSINode', CSINode],
  ['CSIDriver', CSIDriver],
  ['CSIStorageCapacity', CSIStorageCapacity],
  ['ResourceClaim', ResourceClaim],
  ['ResourceSlice', ResourceSlice],
  ['DeviceClass', DeviceClass],
  ['DeviceTaintRule', DeviceTaintRule],
] as const;

function followResource(
  { informers, queue }: FollowOptions,
  resource: ClusterResource,
  type: ResourceType,
): void {
  informers.of(type).handle({
    added: (current) => queue.moveOn({ resource, change: 'add', current }),
    updated: (current, old) => queue.moveOn({ resource, change: 'update', old, current }),
    deleted: (old) => queue.moveOn({ resource, change: 'delete', old }),
  });
}

function followNamespaces({ informers, cache, queue }: FollowOptions): void {
  const set = (namespace: Namespace) => {
    cache.setNamespace(namespace);
    queue.moveOn({ resource: 'Namespace', change: 'labels', current: namespace });
  };
  informers.of(Namespace).handle({
    added: set,
    updated: (namespace, old) => {
      if (!sameLabels(namespace.metadata.labels, old.metadata.labels)) set(namespace);
    },
    deleted: (namespace) => cache.removeNamespace(namespace.metadata.name),
  });
}

function followNodes({ informers, cache, queue }: FollowOptions): void {
  informers.of(Node).handle({
    added(node) {
      cache.setNode(node);
      queue.moveOn({ resource: 'Node', change: 'add', current: node });
    },
    updated(node, old) {
      cache.setNode(node);
      for (const change of nodeChanges(old, node))
        queue.moveOn({ resource: 'Node', change, old, current: node });
    },
    deleted(node) {
      cache.removeNode(node.metadata.name);
      queue.moveOn({ resource: 'Node', change: 'delete', old: node });
    },
  });
}

function nodeChanges(old: Node, current: Node): ClusterChange[] {
  const differs = (pick: (node: Node) => unknown) =>
    JSON.stringify(pick(old)) !== JSON.stringify(pick(current));
  const changes: ClusterChange[] = [];
  if (differs((node) => node.status?.allocatable)) changes.push('allocatable');
  if (differs((node) => node.metadata.labels)) changes.push('labels');
  if (differs((node) => [node.spec?.taints, node.spec?.unschedulable])) changes.push('taints');
  return changes;
}

function followPods({ informers, cache, queue }: FollowOptions): void {
  informers.of(Pod).handle({
    added(pod) {
      if (isOver(pod)) return;
      if (pod.spec?.nodeName) return placed(pod);
      const queued = queue.add(pod);
      const nominatedNode = pod.status?.nominatedNodeName;
      if (queued && nominatedNode) cache.nominate(queued.info, nominatedNode);
    },
    updated(pod, old) {
      if (isOver(pod)) return gone(pod);
      if (!pod.spec?.nodeName) return queue.update(pod);
      if (!old.spec?.nodeName || isOver(old)) return placed(pod);
      const before = cache.placedPod(pod.metadata.uid)?.requests;
      cache.setPod(pod);
      const after = cache.placedPod(pod.metadata.uid)?.requests;
      if (pod.metadata.deletionTimestamp) queue.settleVictim(pod.metadata.uid, 'going');
      if (!sameLabels(pod.metadata.labels, old.metadata.labels))
        queue.moveOn({ resource: 'AssignedPod', change: 'labels', old, current: pod });
      if (before && after && isLessOfAny(after, before))
        queue.moveOn({ resource: 'AssignedPod', change: 'scaleDown', old, current: pod });
    },
    deleted: gone,
  });

  function placed(pod: Pod): void {
    const { uid } = pod.metadata;
    cache.setPod(pod);
    cache.forgetNomination(uid);
    queue.remove(uid);
    queue.moveOn({ resource: 'AssignedPod', change: 'add', current: pod });
  }

  function gone(pod: Pod): void {
    const { uid } = pod.metadata;
    const wasPlaced = cache.placedPod(uid) !== undefined;
    cache.removePod(uid);
    cache.forgetNomination(uid);
    queue.remove(uid);
    queue.settleVictim(uid, 'gone');
    if (wasPlaced) queue.moveOn({ resource: 'AssignedPod', change: 'delete', old: pod });
  }
}

/** An ended pod uses no resources. */
function isOver(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
