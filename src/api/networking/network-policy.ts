/** NetworkPolicies. */
import { ageColumn, column, formatSelector, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { NetworkPolicy } from '../resources.gen.ts';
import type { IPBlock, NetworkPolicyPeer, NetworkPolicyPort } from '../types/networking-v1.gen.ts';
import { cidr, parseRange, rangeContains, rangeWarnings } from '../validation/addresses.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { oneOfInOrder, portNumberOrName } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];

export const networkPolicyKind = defineKind(NetworkPolicy, {
  hasGeneration: true,
  errorGroup: 'extensions',
  columns: [nameColumn, column('Pod-Selector', ({ spec }) => formatSelector(spec?.podSelector)), ageColumn],
  defaults(policy) {
    const spec = policy.spec;
    if (!spec) return;
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
    if (!spec.policyTypes?.length)
      spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  *warnings({ spec }) {
    for (const [index, { from }] of (spec?.ingress ?? []).entries())
      yield* peerWarnings(from, `spec.ingress[${index}].from`);
    for (const [index, { to }] of (spec?.egress ?? []).entries())
      yield* peerWarnings(to, `spec.egress[${index}].to`);
  },
  *validate(policy) {
    const spec = policy.spec;
    if (!spec) return;
    yield* validateLabelSelector(spec.podSelector, 'spec.podSelector');
    for (const [index, rule] of (spec.ingress ?? []).entries())
      yield* validateRule(rule.ports, rule.from, `spec.ingress[${index}]`, 'from');
    for (const [index, rule] of (spec.egress ?? []).entries())
      yield* validateRule(rule.ports, rule.to, `spec.egress[${index}]`, 'to');
    const types = spec.policyTypes ?? [];
    if (types.length > 2)
      yield invalidValue('spec.policyTypes', types, 'may not specify more than two policyTypes');
    else
      for (const [index, type] of types.entries())
        yield* oneOfInOrder(type, ['Ingress', 'Egress'], `spec.policyTypes[${index}]`);
  },
  versions: [
    {
      group: 'extensions',
      version: 'v1beta1',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'networking.k8s.io/v1 NetworkPolicy' },
    },
  ],
});

function* peerWarnings(peers: NetworkPolicyPeer[] | undefined, field: string): Iterable<string> {
  for (const [index, { ipBlock }] of (peers ?? []).entries()) {
    if (!ipBlock) continue;
    const path = `${field}[${index}].ipBlock`;
    yield* rangeWarnings(ipBlock.cidr, `${path}.cidr`);
    for (const [at, range] of (ipBlock.except ?? []).entries())
      yield* rangeWarnings(range, `${path}.except[${at}]`);
  }
}

function* validateRule(
  ports: NetworkPolicyPort[] | undefined,
  peers: NetworkPolicyPeer[] | undefined,
  field: string,
  direction: 'from' | 'to',
): FieldErrors {
  for (const [index, port] of (ports ?? []).entries()) yield* validatePort(port, `${field}.ports[${index}]`);
  for (const [index, peer] of (peers ?? []).entries())
    yield* validatePeer(peer, `${field}.${direction}[${index}]`);
}

function* validatePort({ port, endPort, protocol }: NetworkPolicyPort, field: string): FieldErrors {
  if (protocol !== undefined) yield* oneOfInOrder(protocol, protocols, `${field}.protocol`);
  const end = `${field}.endPort`;
  if (typeof port === 'number') {
    yield* portNumberOrName(port, `${field}.port`);
    if (endPort === undefined) return;
    // Upstream shows the port here, not its end.
    if (endPort < port) yield invalidValue(end, port, 'must be greater than or equal to `port`');
    yield* portNumberOrName(endPort, end);
    return;
  }
  if (endPort !== undefined)
    yield invalidValue(
      end,
      endPort,
      `may not be specified when \`port\` is ${port === undefined ? 'not specified' : 'non-numeric'}`,
    );
  if (port !== undefined) yield* portNumberOrName(port, `${field}.port`);
}

function* validatePeer(peer: NetworkPolicyPeer, field: string): FieldErrors {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  yield* validateLabelSelector(podSelector, `${field}.podSelector`);
  yield* validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`);
  if (ipBlock) yield* validateBlock(ipBlock, `${field}.ipBlock`);
  if (!podSelector && !namespaceSelector && !ipBlock) yield required(field, 'must specify a peer');
  else if (ipBlock && (podSelector || namespaceSelector))
    yield forbiddenField(field, 'may not specify both ipBlock and another peer');
}

function* validateBlock(block: IPBlock, field: string): FieldErrors {
  if (!block.cidr) {
    yield required(`${field}.cidr`);
    return;
  }
  const range = parseRange(block.cidr);
  if (!range) {
    yield* cidr(block.cidr, `${field}.cidr`);
    return;
  }
  for (const [index, text] of (block.except ?? []).entries()) {
    const path = `${field}.except[${index}]`;
    const except = parseRange(text);
    if (!except) yield* cidr(text, path);
    else if (!rangeContains(range, except.bytes) || except.prefixLength <= range.prefixLength)
      yield invalidValue(path, text, 'must be a strict subset of `cidr`');
  }
}
