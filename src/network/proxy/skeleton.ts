/**
 * The fixed part of the node's service table: sets, base chains and the chains that elements point to. Its elements
 * come from rules.ts. When this text changes, the next start replaces the table in one transaction.
 */
import { createHash } from 'node:crypto';
import { type PickChain, parsePickChainName } from './pick-chains.ts';
import type { SetName } from './rules.ts';

export const tableName = 'wherry';

export interface SkeletonOptions {
  /** The range that holds the pod ranges of all nodes. */
  clusterCidr: string;
}

/**
 * In the connection's mark: the source address is to be replaced on the way out. The packet's own mark holds the index
 * of the endpoint, on the first packet only, until it is sent.
 */
const masqueradeMark = '0x4000';

/** Clients that a node remembers for session affinity. */
const affinityEntriesMax = 262_144;

const setDeclarations: Record<SetName, string> = {
  services: 'map services { type ipv4_addr . inet_proto . inet_service : verdict; }',
  nodeports: 'map nodeports { type inet_proto . inet_service : verdict; }',
  // The last part of an endpoint's key is its index, which is compared with a mark: nft cannot declare a plain number
  // there.
  endpoints:
    'map endpoints { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
  'local-endpoints':
    'map local-endpoints { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
  'nodeport-endpoints':
    'map nodeport-endpoints { type inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
  'nodeport-local-endpoints':
    'map nodeport-local-endpoints { type inet_proto . inet_service . mark : ipv4_addr . inet_service; }',
  affine: 'map affine { type ipv4_addr . inet_proto . inet_service : verdict; }',
  'affine-nodeports': 'map affine-nodeports { type inet_proto . inet_service : verdict; }',
  hairpin: 'set hairpin { type ipv4_addr . ipv4_addr; }',
  refused: 'set refused { type ipv4_addr . inet_proto . inet_service; }',
  'refused-nodeports': 'set refused-nodeports { type inet_proto . inet_service; }',
  dropped: 'set dropped { type ipv4_addr . inet_proto . inet_service; }',
  firewalled: 'set firewalled { type ipv4_addr . inet_proto . inet_service; }',
  hostports: 'map hostports { type inet_proto . inet_service : ipv4_addr . inet_service; }',
  'hostports-at':
    'map hostports-at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }',
  'firewall-allowed':
    'set firewall-allowed { type ipv4_addr . inet_proto . inet_service . ipv4_addr; flags interval; }',
  'service-ranges': 'set service-ranges { type ipv4_addr; flags interval; }',
};

/**
 * The table without elements, as one nft script. `leaked` counts packets to a service address that were about to leave
 * the node.
 */
export function skeletonText(options: SkeletonOptions): string {
  return `table ip ${tableName} {\n  chain ${versionChain(options)} { }\n${skeletonBody(options)}}\n`;
}

/** An empty chain whose name carries the version of all rules, for the next process that finds the table. */
export function versionChain(options: SkeletonOptions): string {
  const samples = (['address', 'nodeport'] as const).flatMap((by) => [
    pickChainText({ by, masquerade: 'outside', count: 1, hasAffinity: true }, options.clusterCidr),
    pickChainText({ by, masquerade: 'all', count: 1, localCount: 1, hasAffinity: true }, options.clusterCidr),
  ]);
  const text = [skeletonBody(options), ...samples.flat(), ...rememberChainText(1)].join('\n');
  return `version-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function skeletonBody({ clusterCidr }: SkeletonOptions): string {
  const sets = Object.values(setDeclarations).map((line) => `  ${line}\n`);
  return `${sets.join('')}${declarations}${sharedChains}${hookChains(clusterCidr)}`;
}

const declarations = `\
  map affinity {
    type ipv4_addr . ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;
    flags dynamic,timeout; size ${affinityEntriesMax}; timeout 3h;
  }
  counter leaked { }
`;

/** Chains that those at hooks, and the elements of maps, lead to. */
const sharedChains = `\
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain check-source {
    ip daddr . meta l4proto . th dport @firewalled ip daddr . meta l4proto . th dport . ip saddr != @firewall-allowed drop
    ip daddr . meta l4proto . th dport @dropped drop
  }
  chain check-target {
    ip daddr . meta l4proto . th dport @refused goto refuse
    fib daddr type local meta l4proto . th dport @refused-nodeports goto refuse
  }
  chain route-service {
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local meta l4proto . th dport vmap @nodeports
    fib daddr type local dnat to ip daddr . meta l4proto . th dport map @hostports-at
    fib daddr type local dnat to meta l4proto . th dport map @hostports
  }
`;

/**
 * Traffic to an address that no pod and no service has is refused at once. A pod address without a pod has an
 * unreachable route (cni), but the kernel reports that to only a few clients per second.
 */
function hookChains(clusterCidr: string): string {
  return `\
  chain check-before-routing { type filter hook prerouting priority -110; ct state new jump check-source; }
  chain check-before-output { type filter hook output priority -110; ct state new jump check-source; }
  chain nat-before-routing { type nat hook prerouting priority -100; jump route-service; }
  chain nat-before-output { type nat hook output priority -100; jump route-service; }
  chain refuse-unreachable {
    type filter hook prerouting priority -90;
    ct state new ip daddr ${clusterCidr} fib daddr oif missing goto refuse
  }
  chain refuse-forwarded {
    type filter hook forward priority 0;
    ct state invalid drop
    ct state new jump check-target
    ip daddr @service-ranges goto refuse
  }
  chain refuse-received { type filter hook input priority 0; ct state new jump check-target; }
  chain refuse-own {
    type filter hook output priority 0;
    ct state new jump check-target
    ip daddr @service-ranges fib daddr type != local goto refuse
  }
  chain nat-after-routing {
    type nat hook postrouting priority 100;
    ct status dnat ip protocol tcp ct original ip daddr . ip protocol . ct original proto-dst vmap @affine
    ct status dnat ip protocol udp ct original ip daddr . ip protocol . ct original proto-dst vmap @affine
    ct status dnat ip protocol tcp ip protocol . ct original proto-dst vmap @affine-nodeports
    ct status dnat ip protocol udp ip protocol . ct original proto-dst vmap @affine-nodeports
    jump hide-source
  }
  chain hide-source {
    ct status dnat meta mark set 0
    ct mark & ${masqueradeMark} == ${masqueradeMark} masquerade
    ip saddr . ip daddr @hairpin masquerade
    ip saddr ${clusterCidr} ip daddr != ${clusterCidr} oifname != "lo" masquerade
    ip saddr 127.0.0.0/8 oifname != "lo" masquerade
  }
  chain count-leaks {
    type filter hook postrouting priority 300;
    ip daddr @service-ranges ip saddr != @service-ranges oifname != "lo" counter name leaked drop
  }
`;
}

/** The chain that a map's element points to, or undefined when the skeleton has it. */
export function dynamicChainText(name: string, options: SkeletonOptions): string | undefined {
  const pick = parsePickChainName(name);
  if (pick) return chainText(name, pickChainText(pick, options.clusterCidr));
  const remember = /^remember-(\d+)$/.exec(name);
  return remember ? chainText(name, rememberChainText(Number(remember[1]))) : undefined;
}

function chainText(name: string, rules: readonly string[]): string {
  return `add chain ip ${tableName} ${name}\n${rules.map((rule) => `add rule ip ${tableName} ${name} ${rule}\n`).join('')}`;
}

function pickChainText(chain: PickChain, clusterCidr: string): string[] {
  const at = chain.by === 'address' ? 'ip daddr . meta l4proto . th dport' : 'meta l4proto . th dport';
  const prefix = chain.by === 'address' ? '' : 'nodeport-';
  const masquerade = `ct mark set ct mark | ${masqueradeMark}`;
  const affinity = 'dnat to ip saddr . ip daddr . meta l4proto . th dport map @affinity';
  const pickFrom = (map: string, count: number) => [
    ...(chain.hasAffinity ? [affinity] : []),
    `meta mark set numgen random mod ${count}`,
    `dnat to ${at} . meta mark map @${prefix}${map}`,
  ];
  const anywhere = pickFrom('endpoints', chain.count);
  if (chain.masquerade === 'outside') return [`ip saddr != ${clusterCidr} ${masquerade}`, ...anywhere];
  if (chain.localCount === undefined) return [masquerade, ...anywhere];
  // With a Local policy the cluster's own pods and the node itself still reach every endpoint.
  const fromPods = `ip saddr ${clusterCidr}`;
  const fromNode = 'fib saddr type local';
  return [
    `${fromNode} ${masquerade}`,
    ...anywhere.map((rule) => `${fromNode} ${rule}`),
    ...anywhere.map((rule) => `${fromPods} ${rule}`),
    ...(chain.localCount === 0 ? ['drop'] : pickFrom('local-endpoints', chain.localCount)),
  ];
}

/**
 * Runs on the first packet of a connection, after an endpoint was chosen. An existing entry keeps its endpoint, and
 * only its lifetime is renewed. The chain is entered by `goto`, after which the caller's masquerade is not reached:
 * hence the jump at the end.
 */
function rememberChainText(timeoutSeconds: number): string[] {
  const rule = (protocol: string) =>
    `ip protocol ${protocol} update @affinity { ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst ` +
    `timeout ${timeoutSeconds}s : ip daddr . ${protocol} dport }`;
  return [rule('tcp'), rule('udp'), 'jump hide-source'];
}
