/**
 * Decides what NetworkPolicies let through for the pods of one node: from policies, pods and namespaces to the chains
 * and sets of an nftables table. Pure. Chains and sets are named by their content, so that equal ones are shared, and a
 * change in the cluster is a change of names and elements.
 */
import { createHash } from 'node:crypto';
import type { Namespace, NetworkPolicy, Pod } from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { dnsNamespace, dnsService } from '../dns/dns-objects.ts';

export interface PolicyInput {
  nodeName: string;
  policies: Iterable<NetworkPolicy>;
  pods: Iterable<Pod>;
  namespaces: Iterable<Namespace>;
  /** The address of cluster DNS, which has no pods here: every node answers for its own. */
  dnsAddress?: string;
}

/** What the table should contain, besides its fixed part (table.ts). */
export interface PolicyPlan {
  /** Address of an isolated pod of this node → the chain that applies to it. */
  ingress: Map<string, string>;
  egress: Map<string, string>;
  /** Rules by chain. A chain comes before those that jump to it. */
  chains: Map<string, string[]>;
  sets: Map<string, { type: string; elements: Set<string> }>;
}

type Direction = 'ingress' | 'egress';
type Peer = NonNullable<NonNullable<NonNullable<NetworkPolicy['spec']>['ingress']>[number]['from']>[number];
type Port = NonNullable<NonNullable<NonNullable<NetworkPolicy['spec']>['ingress']>[number]['ports']>[number];

/** What policies look at in a pod. */
type PolicyPod = Pick<Pod, 'spec' | 'status'> & {
  metadata: Pick<Pod['metadata'], 'name' | 'namespace' | 'labels'>;
};

/** A pod as policies see it. */
interface Member {
  address: string;
  namespace: string;
  labels: Record<string, string>;
  namespaceLabels: Record<string, string>;
  pod: PolicyPod;
}

/** Pairs of peer and port that are written as rules side by side; of more, the ports get a chain of their own. */
const pairsMax = 100;
const addressType = 'ipv4_addr';
const targetType = 'ipv4_addr . inet_proto . inet_service';

export function planPolicies(input: PolicyInput): PolicyPlan {
  const members = membersOf(input);
  const policies = [...input.policies];
  const builder = new Builder(members);
  for (const member of members) {
    if (member.pod.spec?.nodeName !== input.nodeName) continue;
    const selecting = policies.filter((policy) => selects(policy, member));
    for (const direction of ['ingress', 'egress'] as const) {
      const isolating = selecting.filter((policy) => isolates(policy, direction));
      if (isolating.length > 0) builder.isolate(direction, member.address, isolating);
    }
  }
  return builder.plan;
}

/** Running pods with their own address. */
function membersOf({ pods, namespaces, dnsAddress }: PolicyInput): Member[] {
  const labelsOf = new Map([...namespaces].map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
  const all: PolicyPod[] = [...pods];
  if (dnsAddress !== undefined) all.push(dnsPod(dnsAddress));
  return all.flatMap((pod) => {
    const address = pod.status?.podIP;
    const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (!address?.includes('.') || pod.spec?.hostNetwork || hasEnded) return [];
    const namespace = pod.metadata.namespace!;
    return [
      {
        address,
        namespace,
        labels: pod.metadata.labels ?? {},
        namespaceLabels: labelsOf.get(namespace) ?? {},
        pod,
      },
    ];
  });
}

/**
 * The pods of cluster DNS as other clusters have them. What policies allow to those, as nearly every egress policy
 * does, is allowed to the address that answers in their place. It is on no node, so that no policy isolates it.
 */
function dnsPod(address: string): PolicyPod {
  const ports = dnsService(address).spec?.ports ?? [];
  return {
    metadata: { name: 'coredns', namespace: dnsNamespace, labels: { 'k8s-app': 'kube-dns' } },
    spec: {
      containers: [
        {
          name: 'coredns',
          ports: ports.map(({ name, port, protocol }) => ({ name, containerPort: port, protocol })),
        },
      ],
    },
    status: { podIP: address, phase: 'Running' },
  };
}

function selects(policy: NetworkPolicy, member: Member): boolean {
  return (
    policy.metadata.namespace === member.namespace &&
    compileLabelSelector(policy.spec?.podSelector ?? {})(member.labels)
  );
}

/** Without policyTypes a policy applies to ingress, and also to egress when it has rules for it. */
function isolates({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec?.policyTypes;
  if (types?.length) return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
  return direction === 'ingress' || (spec?.egress?.length ?? 0) > 0;
}

class Builder {
  readonly plan: PolicyPlan = { ingress: new Map(), egress: new Map(), chains: new Map(), sets: new Map() };
  readonly #members: readonly Member[];
  readonly #policyChains = new Map<string, string>();

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  isolate(direction: Direction, address: string, policies: readonly NetworkPolicy[]): void {
    const chains = policies.map((policy) => this.#policyChain(policy, direction)).sort();
    const rules = [...chains.map((chain) => `jump ${chain}`), 'drop'];
    this.plan[direction].set(address, this.#chain(`pods-${direction}`, rules));
  }

  #policyChain(policy: NetworkPolicy, direction: Direction): string {
    const key = `${direction} ${policy.metadata.namespace}/${policy.metadata.name}`;
    const present = this.#policyChains.get(key);
    if (present) return present;
    const namespace = policy.metadata.namespace!;
    const rules =
      direction === 'ingress'
        ? (policy.spec?.ingress ?? []).flatMap(({ from, ports }) =>
            this.#rules(direction, namespace, from, ports),
          )
        : (policy.spec?.egress ?? []).flatMap(({ to, ports }) =>
            this.#rules(direction, namespace, to, ports),
          );
    const name = this.#chain(`policy-${direction}`, rules);
    this.#policyChains.set(key, name);
    return name;
  }

  /** One policy rule: any of its peers, on any of its ports; an empty list of either means all. */
  #rules(
    direction: Direction,
    namespace: string,
    peers: readonly Peer[] | undefined,
    ports: readonly Port[] | undefined,
  ): string[] {
    const matches = peers?.length
      ? peers.flatMap((peer) => this.#peerMatch(direction, namespace, peer))
      : [''];
    const targets = ports?.length ? this.#portMatches(ports) : [''];
    // Of many peers with many ports each pair as a rule of its own would be more than a node can hold.
    if (matches.length > 1 && targets.length > 1 && matches.length * targets.length > pairsMax) {
      const chain = this.#chain(
        `ports-${direction}`,
        targets.map((target) => `${target} accept`),
      );
      return matches.map((match) => `${match} jump ${chain}`);
    }
    return matches.flatMap((match) =>
      targets.map((target) => [match, target, 'accept'].filter(Boolean).join(' ')),
    );
  }

  #peerMatch(direction: Direction, namespace: string, peer: Peer): string[] {
    const field = direction === 'ingress' ? 'ip saddr' : 'ip daddr';
    if (peer.ipBlock) {
      const { cidr, except = [] } = peer.ipBlock;
      if (cidr.includes(':')) return [];
      const holes = except.filter((range) => !range.includes(':'));
      return [[`${field} ${cidr}`, ...holes.map((hole) => `${field} != ${hole}`)].join(' ')];
    }
    const hasLabels = peer.podSelector ? compileLabelSelector(peer.podSelector) : () => true;
    const inNamespace = peer.namespaceSelector ? compileLabelSelector(peer.namespaceSelector) : undefined;
    const addresses = this.#members
      .filter((member) =>
        inNamespace ? inNamespace(member.namespaceLabels) : member.namespace === namespace,
      )
      .filter((member) => hasLabels(member.labels))
      .map(({ address }) => address);
    // Named after the selectors, not after the pods that they match: a pod that comes or goes is then one element.
    const scope = inNamespace ? '' : namespace;
    const name = this.#set(
      'peers',
      [scope, peer.namespaceSelector ?? null, peer.podSelector ?? null],
      addressType,
      addresses,
    );
    return [`${field} @${name}`];
  }

  /** One match each, not a set: ranges may overlap, which sets of ranges do not support. */
  #portMatches(ports: readonly Port[]): string[] {
    return ports.map(({ port, endPort, protocol = 'TCP' }) => {
      const transport = protocol.toLowerCase();
      if (port === undefined) return `meta l4proto ${transport}`;
      if (typeof port === 'number') return `${transport} dport ${endPort ? `${port}-${endPort}` : port}`;
      return `ip daddr . meta l4proto . th dport @${this.#namedPortSet(port, protocol)}`;
    });
  }

  /** A port's name may mean another number in every pod: each pod that has the name is an element. */
  #namedPortSet(port: string, protocol: string): string {
    const elements = this.#members.flatMap(({ address, pod }) =>
      (pod.spec?.containers ?? []).flatMap(({ ports = [] }) =>
        ports
          .filter((each) => each.name === port && (each.protocol ?? 'TCP') === protocol)
          .map(({ containerPort }) => `${address} . ${protocol.toLowerCase()} . ${containerPort}`),
      ),
    );
    return this.#set('named', [port, protocol], targetType, elements);
  }

  #chain(prefix: string, rules: string[]): string {
    const name = `${prefix}-${digest(rules)}`;
    this.plan.chains.set(name, rules);
    return name;
  }

  #set(prefix: string, meaning: unknown, type: string, elements: readonly string[]): string {
    const name = `${prefix}-${digest(meaning)}`;
    if (!this.plan.sets.has(name)) this.plan.sets.set(name, { type, elements: new Set(elements) });
    return name;
  }
}

function digest(meaning: unknown): string {
  return createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 12);
}
