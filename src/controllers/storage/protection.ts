/** Protection by a finalizer: an object that is in use is deleted only once it no longer is. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { type AnyController, defineController, type Watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';

export interface Protection<T extends KubeObject> {
  /** Of its queue. */
  name: string;
  protects: ResourceType<T>;
  finalizer: string;
  watches?: readonly Watch[];
  isUsed(object: T, cluster: ReconcileCluster, signal: AbortSignal): boolean | Promise<boolean>;
}

/** What comes next, with the finalizers that the object has then; undefined when nothing does. */
export interface ProtectionStep {
  act: 'protect' | 'releaseIfUnused';
  finalizers: string[];
}

export function planProtection(
  { finalizers = [], deletionTimestamp }: KubeObject['metadata'],
  finalizer: string,
): ProtectionStep | undefined {
  const isProtected = finalizers.includes(finalizer);
  const isGoing = deletionTimestamp !== undefined;
  if (isGoing !== isProtected) return undefined;
  return isGoing
    ? { act: 'releaseIfUnused', finalizers: finalizers.filter((other) => other !== finalizer) }
    : { act: 'protect', finalizers: [...finalizers, finalizer] };
}

export function defineProtection<T extends KubeObject>(protection: Protection<T>): AnyController {
  const { name, protects, finalizer, watches, isUsed } = protection;
  return defineController<T>({
    name,
    reconciles: protects,
    watches,
    async reconcile(key, cluster, signal) {
      const object = cluster.get(protects, key);
      const step = object && planProtection(object.metadata, finalizer);
      if (!step || (step.act === 'releaseIfUnused' && (await isUsed(object, cluster, signal))))
        return undefined;
      const metadata = { ...object.metadata, finalizers: step.finalizers };
      await cluster.update(protects, { ...object, metadata }, signal);
      return undefined;
    },
  });
}
