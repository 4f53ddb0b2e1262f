/** A node with the total requests of its pods; updated in place as pods come and go. */
import { numericAmounts } from '../../api/quantities/pod-resources.ts';
import type { Node } from '../../api/resources.gen.ts';
import type { Taint } from '../../api/types/core-v1.gen.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { addResources, cloneResources, noResources, type Resources, resourcesFrom } from './resources.ts';

const noTaints: readonly Taint[] = [];

export class NodeInfo {
  readonly name: string;
  node: Node;
  labels: Record<string, string>;
  /** Effects NoSchedule and NoExecute. */
  hardTaints: readonly Taint[] = noTaints;
  /** Effect PreferNoSchedule. */
  softTaints: readonly Taint[] = noTaints;
  allocatable: Resources = noResources();
  podsMax = 0;
  /** By uid. */
  readonly pods: Map<string, PodInfo>;
  readonly requested: Resources;
  readonly scoredRequested: Resources;
  /** `protocol/port` → addresses in use. */
  readonly usedPorts: Map<string, string[]>;
  /** Claims in use → how many pods use them. */
  readonly claims: Map<string, number>;
  /** Its position in the snapshot's list. */
  slot = -1;
  /** What was remembered about the node is no longer true. */
  onChange: ((node: NodeInfo) => void) | undefined;
  /** Some pod is nominated to this node. */
  isPromised = false;

  constructor(node: Node, from?: NodeInfo) {
    this.name = node.metadata.name;
    this.node = node;
    this.labels = from?.labels ?? {};
    this.pods = new Map(from?.pods);
    this.requested = from ? cloneResources(from.requested) : noResources();
    this.scoredRequested = from ? cloneResources(from.scoredRequested) : noResources();
    this.usedPorts = new Map(from?.usedPorts);
    this.claims = new Map(from?.claims);
    if (!from) {
      this.setNode(node);
      return;
    }
    this.isPromised = from.isPromised;
    this.hardTaints = from.hardTaints;
    this.softTaints = from.softTaints;
    this.allocatable = from.allocatable;
    this.podsMax = from.podsMax;
  }

  /** A copy for what-if questions: changing its pods leaves the original alone. */
  clone(): NodeInfo {
    return new NodeInfo(this.node, this);
  }

  setNode(node: Node): void {
    this.onChange?.(this);
    this.node = node;
    this.labels = node.metadata.labels ?? {};
    const taints = node.spec?.taints ?? noTaints;
    this.softTaints = taints.filter((taint) => taint.effect === 'PreferNoSchedule');
    this.hardTaints = taints.filter((taint) => taint.effect !== 'PreferNoSchedule');
    const amounts = Object.entries(node.status?.allocatable ?? {}).map(
      ([name, text]) => [name, numericAmounts.parse(name, text)] as const,
    );
    this.allocatable = resourcesFrom(amounts);
    this.podsMax = amounts.find(([name]) => name === 'pods')?.[1] ?? 0;
  }

  addPod(info: PodInfo): void {
    this.onChange?.(this);
    this.pods.set(info.uid, info);
    this.#count(info, 1);
    for (const port of info.hostPorts) {
      const key = portKey(port);
      this.usedPorts.set(key, [...(this.usedPorts.get(key) ?? []), port.ip]);
    }
  }

  /** True when the pod was there. */
  removePod(uid: string): boolean {
    const info = this.pods.get(uid);
    if (!info) return false;
    this.onChange?.(this);
    this.pods.delete(uid);
    this.#count(info, -1);
    for (const port of info.hostPorts) {
      const key = portKey(port);
      const rest = [...(this.usedPorts.get(key) ?? [])];
      rest.splice(rest.indexOf(port.ip), 1);
      if (rest.length > 0) this.usedPorts.set(key, rest);
      else this.usedPorts.delete(key);
    }
    return true;
  }

  /** Whether another pod uses the port on an overlapping address. */
  conflictsWithPort(port: HostPort): boolean {
    const addresses = this.usedPorts.get(portKey(port));
    if (!addresses) return false;
    return port.ip === '0.0.0.0' || addresses.some((ip) => ip === '0.0.0.0' || ip === port.ip);
  }

  #count(info: PodInfo, times: 1 | -1): void {
    addResources(this.requested, info.requests, times);
    addResources(this.scoredRequested, info.scoredRequests, times);
    for (const claim of info.claims) {
      const count = (this.claims.get(claim) ?? 0) + times;
      if (count > 0) this.claims.set(claim, count);
      else this.claims.delete(claim);
    }
  }
}

function portKey(port: HostPort): string {
  return `${port.protocol}/${port.port}`;
}
