/**
 * Deletes objects that have lost all their owners, in any resource that the server has; keeps objects that are deleted
 * in the foreground until their dependents are gone; releases dependents that are to be orphaned.
 */
import { type KubeObject, type OwnerReference, parseApiVersion, type ResourceType } from '../../api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import { foregroundFinalizer, orphanFinalizer } from '../../api/well-known.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { runWorkers, WorkQueue } from '../../client/controller/work-queue.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import type { ReflectorSink } from '../../client/informers/reflector.ts';
import { FollowedResources } from '../followed-resources.ts';
import { GarbageGraph, type GraphConsequences, type GraphNode } from './garbage-graph.ts';
import {
  blockingDependents,
  type OwnerState,
  type OwnersByState,
  type PropagationPolicy,
  planCollect,
} from './garbage-plan.ts';

/** Resources whose objects own nothing, and whose number would only cost memory. */
const ignored = new Set(['events', 'events.events.k8s.io']);
const workers = 20;

export async function runGarbageCollector(
  environment: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  await new GarbageCollector(environment, signal).run();
}

const syncErrorsOf = metricsPerRegistry((registry) => {
  const name = 'garbagecollector_controller_resources_sync_error_total';
  return registry.counter(name, 'Number of garbage collector resources sync errors').bind({});
});

class GarbageCollector {
  readonly #environment: ControllerEnvironment;
  readonly #signal: AbortSignal;
  readonly #graph = new GarbageGraph();
  /** Uids of objects to be checked. */
  readonly #queue: WorkQueue;
  /** Uids of objects whose dependents are to be released. */
  readonly #orphaning: WorkQueue;
  /** By `group/kind`, over all versions. */
  readonly #kinds = new Map<string, ResourceType>();

  constructor(environment: ControllerEnvironment, signal: AbortSignal) {
    const logger = environment.logger.for('garbage-collector');
    const recorder = environment.recorder.for('garbage-collector-controller');
    this.#environment = { ...environment, logger, recorder };
    this.#signal = signal;
    const { clock, metrics } = environment;
    const queue = (act: string) =>
      new WorkQueue({ name: `garbage_collector_attempt_to_${act}`, clock, metrics });
    this.#queue = queue('delete');
    this.#orphaning = queue('orphan');
  }

  async run(): Promise<void> {
    syncErrorsOf(this.#environment.metrics);
    const followed = new FollowedResources(
      this.#environment,
      {
        name: 'garbage_collector_discovery',
        discovered: (resources) => {
          for (const resource of resources) this.#kinds.set(`${resource.group}/${resource.kind}`, resource);
        },
        failed: () => syncErrorsOf(this.#environment.metrics).add(1),
        isWanted: ({ group, plural, verbs, isView }) =>
          verbs.includes('delete') && !isView && !ignored.has(group ? `${plural}.${group}` : plural),
        sinkOf: (resource) => this.#sinkOf(resource),
        stopped: (resource) => {
          for (const node of [...this.#graph.of(resource)]) this.#apply(this.#graph.remove(node.uid));
        },
      },
      this.#signal,
    );
    const following = followed.run();
    // Before every resource has been listed once, most owners would appear to be missing.
    await followed.ready;
    const checking = this.#work(this.#queue, (node) => this.#check(node));
    const orphaning = this.#work(this.#orphaning, (node) => this.#orphanDependents(node));
    await Promise.all([following, checking, orphaning]);
  }

  #sinkOf(resource: ResourceType): ReflectorSink<KubeObject> {
    return {
      replace: (items) => {
        const gone = new Set([...this.#graph.of(resource)].map((node) => node.uid));
        for (const item of items) {
          gone.delete(item.metadata.uid);
          this.#apply(this.#graph.observe(resource, item));
        }
        for (const uid of gone) this.#apply(this.#graph.remove(uid));
      },
      apply: (type, object) =>
        this.#apply(
          type === 'DELETED'
            ? this.#graph.remove(object.metadata.uid)
            : this.#graph.observe(resource, object),
        ),
      progressed: () => undefined,
    };
  }

  #apply({ check, orphan }: GraphConsequences): void {
    for (const node of check) this.#queue.add(node.uid);
    for (const node of orphan) this.#orphaning.add(node.uid);
  }

  /** `act`: returns false for a node that is to be looked at again. */
  #work(queue: WorkQueue, act: (node: GraphNode) => Promise<boolean>): Promise<void> {
    const work = async (uid: string) => {
      try {
        const node = this.#graph.get(uid);
        if (!node || (await act(node))) queue.forget(uid);
        else queue.retry(uid);
      } catch (error) {
        if (this.#signal.aborted) return;
        const isRace = error instanceof StatusError && error.code === 409;
        if (!isRace) this.#environment.logger.debug('will try again', { uid, error });
        queue.retry(uid);
      }
    };
    return runWorkers(queue, workers, work, this.#signal);
  }

  /** Decides whether an object may stay, by what the server says about it and its owners. False: check again. */
  async #check(node: GraphNode): Promise<boolean> {
    if (node.isVirtual || (node.isBeingDeleted && !node.isDeletingDependents)) return true;
    if (!node.isDeletingDependents && this.#hasOnlyLivingOwners(node)) return true;
    const object = await this.#read(node.resource!, node.namespace, node.name);
    if (object?.metadata.uid !== node.uid) {
      this.#apply(this.#graph.remove(node.uid));
      return true;
    }
    if (node.isDeletingDependents) await this.#endForeground(node, object);
    else return await this.#collect(node, object);
    return true;
  }

  /** Deletes an object without living owners, or removes dead owners from it. False: check again. */
  async #collect(node: GraphNode, object: KubeObject): Promise<boolean> {
    const { finalizers = [] } = object.metadata;
    const { dependents } = node;
    const plan = planCollect(await this.#classify(node, object), { finalizers, dependents });
    if (plan.act === 'keep') {
      if (plan.drop.length > 0) await this.#dropOwners(node, object, new Set(plan.drop));
      return !plan.isUnsure;
    }
    if (plan.unblocksOwners) await this.#unblockOwners(node, object);
    await this.#delete(node, object, plan.policy);
    return true;
  }

  #hasOnlyLivingOwners(node: GraphNode): boolean {
    return node.owners.every((owner) => this.#knownState(node, owner) === 'solid');
  }

  /** What the graph knows of an owner; undefined when the server must be asked. */
  #knownState(node: GraphNode, reference: OwnerReference): 'solid' | 'waiting' | undefined {
    const owner = this.#graph.livingOwner(node, reference);
    if (!owner) return undefined;
    return owner.isDeletingDependents ? 'waiting' : 'solid';
  }

  async #classify(node: GraphNode, object: KubeObject): Promise<OwnersByState> {
    const groups: Record<OwnerState, OwnerReference[]> = { solid: [], unseen: [], dangling: [], waiting: [] };
    for (const reference of object.metadata.ownerReferences ?? [])
      groups[await this.#stateOf(node, reference)].push(reference);
    return groups;
  }

  async #stateOf(node: GraphNode, reference: OwnerReference): Promise<OwnerState> {
    const state = this.#knownState(node, reference);
    if (state) return state;
    const isFirstTry = this.#queue.failuresOf(node.uid) === 0;
    if (isFirstTry && this.#isKnownElsewhere(node, reference)) this.#reportMismatch(node, reference);
    const { group } = parseApiVersion(reference.apiVersion);
    const resource = this.#kinds.get(`${group}/${reference.kind}`);
    if (!resource) throw new Error(`no resource has the kind ${reference.kind} of ${reference.apiVersion}`);
    // A cluster-scoped object cannot be owned by a namespaced one: there is no telling which namespace is meant.
    if (resource.namespaced && !node.namespace) return 'solid';
    const owner = await this.#read(resource, node.namespace, reference.name);
    if (owner?.metadata.uid !== reference.uid) return 'dangling';
    const isWaiting =
      owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(foregroundFinalizer);
    return isWaiting ? 'waiting' : 'unseen';
  }

  /** The owner exists, but in another namespace than the dependent. */
  #isKnownElsewhere(node: GraphNode, { uid }: OwnerReference): boolean {
    const owner = this.#graph.get(uid);
    return owner?.isVirtual === false && !!owner.namespace && owner.namespace !== node.namespace;
  }

  #reportMismatch(node: GraphNode, reference: OwnerReference): void {
    const { recorder } = this.#environment;
    const { apiVersion, kind, name, uid } = reference;
    const text = `[${apiVersion}/${kind}, namespace: ${node.namespace ?? ''}, name: ${name}, uid: ${uid}]`;
    const metadata = { name: node.name, namespace: node.namespace, uid: node.uid } as KubeObject['metadata'];
    recorder.event(
      targetOf(node.resource!, { metadata }),
      'Warning',
      'OwnerRefInvalidNamespace',
      `ownerRef ${text} does not exist in namespace "${node.namespace ?? ''}"`,
    );
  }

  /** The last blocking dependent is gone, so the owner may go. */
  async #endForeground(node: GraphNode, object: KubeObject): Promise<void> {
    const blocking = blockingDependents(node);
    if (blocking.length === 0) return await this.#dropFinalizer(node, object, foregroundFinalizer);
    for (const dependent of blocking) if (!dependent.isDeletingDependents) this.#queue.add(dependent.uid);
  }

  async #orphanDependents(node: GraphNode): Promise<true> {
    const object = await this.#read(node.resource!, node.namespace, node.name);
    if (object?.metadata.uid !== node.uid || !object.metadata.finalizers?.includes(orphanFinalizer))
      return true;
    const owner = new Set([node.uid]);
    await Promise.all(
      [...(node.dependents ?? [])].map(async (dependent) => {
        const child = await this.#read(dependent.resource!, dependent.namespace, dependent.name);
        if (child?.metadata.uid === dependent.uid) await this.#dropOwners(dependent, child, owner);
      }),
    );
    await this.#dropFinalizer(node, object, orphanFinalizer);
    return true;
  }

  #read(
    resource: ResourceType,
    namespace: string | undefined,
    name: string,
  ): Promise<KubeObject | undefined> {
    const at = { name, ...(resource.namespaced && { namespace }) };
    return this.#environment.client.get(resource, at, this.#signal).catch(undefinedIfNotFound);
  }

  async #dropOwners(node: GraphNode, object: KubeObject, uids: ReadonlySet<string>): Promise<void> {
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid));
    await this.#patchMetadata(node, object, { ownerReferences });
  }

  async #unblockOwners(node: GraphNode, object: KubeObject): Promise<void> {
    const ownerReferences = (object.metadata.ownerReferences ?? []).map((owner) => ({
      ...owner,
      ...(owner.blockOwnerDeletion && { blockOwnerDeletion: false }),
    }));
    await this.#patchMetadata(node, object, { ownerReferences });
  }

  async #dropFinalizer(node: GraphNode, object: KubeObject, finalizer: string): Promise<void> {
    const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    await this.#patchMetadata(node, object, { finalizers });
  }

  /** Fails with Conflict when the object changed since it was read. */
  async #patchMetadata(node: GraphNode, object: KubeObject, change: object): Promise<void> {
    const { uid, resourceVersion, name, namespace } = object.metadata;
    const metadata = { uid, resourceVersion, ...change };
    await this.#environment.client
      .patch(node.resource!, { name, namespace }, { metadata }, { type: 'merge', signal: this.#signal })
      .catch(undefinedIfNotFound);
  }

  async #delete(node: GraphNode, object: KubeObject, propagationPolicy: PropagationPolicy): Promise<void> {
    const { uid, resourceVersion, name, namespace } = object.metadata;
    // The version is part of the precondition, since an owner may have been added in the meantime.
    const preconditions = { uid, resourceVersion };
    await this.#environment.client
      .delete(node.resource!, { name, namespace }, { propagationPolicy, preconditions, signal: this.#signal })
      .catch(undefinedIfNotFound);
  }
}
