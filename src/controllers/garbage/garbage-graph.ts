/**
 * Who owns whom in the whole cluster, with as little memory per object as possible. Pure bookkeeping, without access to
 * the server.
 */
import { type KubeObject, type OwnerReference, parseApiVersion, type ResourceType } from '../../api/meta.ts';
import { foregroundFinalizer, orphanFinalizer } from '../../api/well-known.ts';

export interface GraphNode {
  readonly uid: string;
  /** Undefined for an owner that is known only from references to it: its kind is looked up when needed. */
  resource: ResourceType | undefined;
  kind: string;
  namespace: string | undefined;
  name: string;
  owners: readonly OwnerReference[];
  dependents: Set<GraphNode> | undefined;
  /** Known from references only; no watch has shown it yet. */
  isVirtual: boolean;
  isBeingDeleted: boolean;
  /** Being deleted in the foreground: waits for its dependents. */
  isDeletingDependents: boolean;
}

/** What follows from a change. */
export interface GraphConsequences {
  /** Nodes to be checked for whether they may still exist. */
  check: GraphNode[];
  /** Nodes that are being deleted and leave their dependents behind as orphans. */
  orphan: GraphNode[];
}

const noOwners: readonly OwnerReference[] = [];

export class GarbageGraph {
  readonly #nodes = new Map<string, GraphNode>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Nodes of a resource that its list or watch has shown. */
  *of(resource: ResourceType): Iterable<GraphNode> {
    for (const node of this.#nodes.values()) if (node.resource === resource && !node.isVirtual) yield node;
  }

  /** Records an object as a list or a watch shows it. */
  observe(resource: ResourceType, object: KubeObject): GraphConsequences {
    const { metadata } = object;
    const consequences: GraphConsequences = { check: [], orphan: [] };
    let node = this.#nodes.get(metadata.uid);
    const isNew = !node || node.isVirtual;
    if (!node) {
      node = this.#insert(metadata.uid, metadata.name);
    }
    node.resource = resource;
    node.kind = resource.kind;
    node.namespace = metadata.namespace;
    node.name = metadata.name;
    node.isVirtual = false;
    const before = node.owners;
    this.#setOwners(node, metadata.ownerReferences ?? noOwners, consequences);
    this.#transition(node, metadata, consequences);
    // Its references may name owners that are already gone.
    const isOwnedAnew = isNew || node.owners.some(({ uid }) => !before.some((one) => one.uid === uid));
    if (isOwnedAnew && this.#hasUnseenOwner(node)) consequences.check.push(node);
    if (isNew && node.isDeletingDependents) consequences.check.push(...(node.dependents ?? []));
    return consequences;
  }

  /** The owner that a reference means; undefined when it is unknown, or is not what and where the reference says. */
  livingOwner(node: GraphNode, reference: OwnerReference): GraphNode | undefined {
    const owner = this.#nodes.get(reference.uid);
    if (!owner || owner.isVirtual || owner.name !== reference.name) return undefined;
    const { group } = parseApiVersion(reference.apiVersion);
    if (owner.kind !== reference.kind || owner.resource?.group !== group) return undefined;
    const isElsewhere = owner.namespace !== undefined && owner.namespace !== node.namespace;
    return isElsewhere ? undefined : owner;
  }

  #hasUnseenOwner(node: GraphNode): boolean {
    return node.owners.some((owner) => this.livingOwner(node, owner) === undefined);
  }

  /** Records that an object is gone. */
  remove(uid: string): GraphConsequences {
    const consequences: GraphConsequences = { check: [], orphan: [] };
    const node = this.#nodes.get(uid);
    if (!node) return consequences;
    this.#nodes.delete(uid);
    for (const owner of node.owners) {
      const ownerNode = this.#nodes.get(owner.uid);
      if (!ownerNode) continue;
      this.#detach(ownerNode, node);
      if (ownerNode.isDeletingDependents) consequences.check.push(ownerNode);
    }
    // The youngest first: a StatefulSet's pods are deleted in reverse order.
    consequences.check.push(...[...(node.dependents ?? [])].reverse());
    return consequences;
  }

  #insert(uid: string, name: string): GraphNode {
    const node: GraphNode = {
      uid,
      resource: undefined,
      kind: '',
      namespace: undefined,
      name,
      owners: noOwners,
      dependents: undefined,
      isVirtual: true,
      isBeingDeleted: false,
      isDeletingDependents: false,
    };
    this.#nodes.set(uid, node);
    return node;
  }

  #setOwners(node: GraphNode, owners: readonly OwnerReference[], consequences: GraphConsequences): void {
    const before = node.owners;
    if (before.length === 0 && owners.length === 0) return;
    node.owners = owners;
    for (const owner of owners) {
      let ownerNode = this.#nodes.get(owner.uid);
      if (!ownerNode) {
        ownerNode = this.#insert(owner.uid, owner.name);
        ownerNode.kind = owner.kind;
        ownerNode.namespace = node.namespace;
      }
      ownerNode.dependents ??= new Set();
      ownerNode.dependents.add(node);
      const wasBlocking = before.find((one) => one.uid === owner.uid)?.blockOwnerDeletion;
      if (ownerNode.isDeletingDependents && !before.some((one) => one.uid === owner.uid))
        consequences.check.push(node);
      if (wasBlocking && !owner.blockOwnerDeletion && ownerNode.isDeletingDependents)
        consequences.check.push(ownerNode);
    }
    for (const owner of before) {
      if (owners.some((one) => one.uid === owner.uid)) continue;
      const ownerNode = this.#nodes.get(owner.uid);
      if (!ownerNode) continue;
      this.#detach(ownerNode, node);
      if (ownerNode.isDeletingDependents) consequences.check.push(ownerNode);
    }
  }

  #detach(owner: GraphNode, dependent: GraphNode): void {
    owner.dependents?.delete(dependent);
    if (owner.dependents?.size !== 0) return;
    owner.dependents = undefined;
    if (owner.isVirtual) this.#nodes.delete(owner.uid);
  }

  #transition(node: GraphNode, metadata: KubeObject['metadata'], consequences: GraphConsequences): void {
    if (!metadata.deletionTimestamp) return;
    const finalizers = metadata.finalizers ?? [];
    node.isBeingDeleted = true;
    if (finalizers.includes(orphanFinalizer)) consequences.orphan.push(node);
    if (finalizers.includes(foregroundFinalizer) && !node.isDeletingDependents) {
      node.isDeletingDependents = true;
      consequences.check.push(node, ...(node.dependents ?? []));
    }
  }
}
