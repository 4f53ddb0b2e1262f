/** The nftables table of network policies: its fixed part, and the script that leads from one plan to the next. */
import type { PolicyPlan } from './plan.ts';

export const policyTable = 'wherry-policy';

/**
 * Replies always pass, and so does what a node itself sends to its pods (probes). What a pod sends to its own node,
 * including cluster DNS, is egress, and so is what is forwarded for it. Destinations are those after services were
 * resolved. There are two chains for forwarded packets, since an accept in the first must not spare a packet the
 * second.
 */
const skeleton = `table ip ${policyTable} {
  map ingress { type ipv4_addr : verdict; }
  map egress { type ipv4_addr : verdict; }
  set own-address { type ipv4_addr . ipv4_addr; }
  chain from-pods {
    type filter hook forward priority 10;
    ct state established,related accept
    ip saddr . ip daddr @own-address accept
    ip saddr vmap @egress
  }
  chain to-pods {
    type filter hook forward priority 11;
    ct state established,related accept
    ip saddr . ip daddr @own-address accept
    ip daddr vmap @ingress
  }
  chain to-node {
    type filter hook input priority 10;
    ct state established,related accept
    ip saddr vmap @egress
  }
}
`;

const emptyPlan: PolicyPlan = {
  ingress: new Map(),
  egress: new Map(),
  chains: new Map(),
  sets: new Map(),
};

/** Replaces any existing table by one for the plan, in one transaction. */
export function replaceText(plan: PolicyPlan): string {
  return `add table ip ${policyTable}\ndelete table ip ${policyTable}\n${skeleton}${diffText(emptyPlan, plan)}`;
}

/** Removes the table. */
export const removeText = `add table ip ${policyTable}\ndelete table ip ${policyTable}\n`;

/**
 * '' when nothing changes. First what is new, then the elements that send traffic there, then the removal of what is no
 * longer used.
 */
export function diffText(before: PolicyPlan, after: PolicyPlan): string {
  const lines: string[] = [];
  for (const [name, { type, elements }] of after.sets) {
    const old = before.sets.get(name);
    if (!old) lines.push(`add set ip ${policyTable} ${name} { type ${type}; }`);
    lines.push(...elementLines(name, old?.elements ?? new Set(), elements));
  }
  const fresh = [...after.chains].filter(([name]) => !before.chains.has(name));
  for (const [name] of fresh) lines.push(`add chain ip ${policyTable} ${name}`);
  for (const [name, rules] of fresh)
    lines.push(...rules.map((rule) => `add rule ip ${policyTable} ${name} ${rule}`));
  lines.push(
    ...verdictLines('ingress', before.ingress, after.ingress),
    ...verdictLines('egress', before.egress, after.egress),
    ...elementLines('own-address', ownAddresses(before), ownAddresses(after)),
  );
  const unused = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  lines.push(...unused.map((name) => `flush chain ip ${policyTable} ${name}`));
  lines.push(...unused.map((name) => `delete chain ip ${policyTable} ${name}`));
  for (const name of before.sets.keys())
    if (!after.sets.has(name)) lines.push(`delete set ip ${policyTable} ${name}`);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** No policy separates a pod from itself. */
function ownAddresses(plan: PolicyPlan): Set<string> {
  return new Set([...plan.ingress.keys(), ...plan.egress.keys()].map((address) => `${address} . ${address}`));
}

function verdictLines(map: string, before: Map<string, string>, after: Map<string, string>): string[] {
  const gone = [...before]
    .filter(([address, chain]) => after.get(address) !== chain)
    .map(([address]) => address);
  const added = [...after]
    .filter(([address, chain]) => before.get(address) !== chain)
    .map(([address, chain]) => `${address} : goto ${chain}`);
  return elementText(map, gone, added);
}

function elementLines(set: string, before: Set<string>, after: Set<string>): string[] {
  const gone = [...before].filter((element) => !after.has(element));
  const added = [...after].filter((element) => !before.has(element));
  return elementText(set, gone, added);
}

function elementText(set: string, gone: readonly string[], added: readonly string[]): string[] {
  return [
    ...(gone.length > 0 ? [`delete element ip ${policyTable} ${set} { ${gone.join(', ')} }`] : []),
    ...(added.length > 0 ? [`add element ip ${policyTable} ${set} { ${added.join(', ')} }`] : []),
  ];
}
