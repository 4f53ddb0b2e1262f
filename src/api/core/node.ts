/** Nodes. */
import { ageColumn, column, nameColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Node } from '../resources.gen.ts';
import { cidr, parseRange, rangeWarnings } from '../validation/addresses.ts';
import { innerForm } from '../validation/error-value.ts';
import { duplicate, type FieldErrors, forbiddenField, invalidValue } from '../validation/field-error.ts';
import { invalidFor, oneOfInOrder } from '../validation/fields.ts';
import { labelValueProblems, qualifiedNameProblems } from '../validation/names.ts';
import { validateResourceAmount } from '../validation/resources.ts';
import { taintEffects } from './pod-spec/scheduling.ts';

const rolePrefix = 'node-role.kubernetes.io/';
const roleLabel = 'kubernetes.io/role';

export const nodeKind = defineKind(Node, {
  storagePrefix: 'minions',
  status: 'separate',
  columns: [
    nameColumn,
    column('Status', statusCell),
    column('Roles', rolesCell),
    ageColumn,
    column('Version', (node) => node.status?.nodeInfo?.kubeletVersion ?? ''),
    wideColumn('Internal-IP', (node) => addressOf(node, 'InternalIP')),
    wideColumn('External-IP', (node) => addressOf(node, 'ExternalIP')),
    wideColumn('OS-Image', (node) => node.status?.nodeInfo?.osImage || '<unknown>'),
    wideColumn('Kernel-Version', kernelCell),
    wideColumn('Container-Runtime', (node) => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  defaults(node) {
    settleRanges(node.spec ?? {});
    const status = node.status;
    if (status?.capacity && !status.allocatable)
      node.status = { ...status, allocatable: { ...status.capacity } };
  },
  prepareCreate(node) {
    // Nodes are no longer configured through the API.
    delete node.spec?.configSource;
    delete node.status?.config;
  },
  prepareUpdate(node, old) {
    if (!old.spec?.configSource) delete node.spec?.configSource;
  },
  prepareStatusUpdate(node, old) {
    if (old.spec) node.spec = old.spec;
    if (!old.status?.config) delete node.status?.config;
  },
  *warnings({ spec }) {
    if (spec?.configSource) yield 'spec.configSource: the feature is removed';
    if (spec?.externalID) yield 'spec.externalID: this field is deprecated, and is unused by Kubernetes';
    for (const [index, range] of (spec?.podCIDRs ?? []).entries())
      yield* rangeWarnings(range, `spec.podCIDRs[${index}]`);
  },
  *validate(node, { subresource }) {
    // A status is validated by its update only.
    if (subresource === 'status') return;
    yield* validateTaints(node);
    yield* validateResources(node);
    yield* validateDeclaredFeatures(node.status?.declaredFeatures);
    const ranges = node.spec?.podCIDRs ?? [];
    for (const [index, range] of ranges.entries()) yield* cidr(range, `spec.podCIDRs[${index}]`);
    if (ranges.length > 2 || (ranges.length === 2 && familyOf(ranges[0]!) === familyOf(ranges[1]!)))
      yield invalidValue('spec.podCIDRs', ranges, 'may specify no more than one CIDR for each IP family');
  },
  *validateUpdate(node, old) {
    // Upstream validates mutable fields a second time.
    yield* validateResources(node);
    yield* validateDeclaredFeatures(node.status?.declaredFeatures);
    yield* validateAddresses(node);
    yield* validateRangesUpdate(node.spec?.podCIDRs ?? [], old.spec?.podCIDRs ?? []);
    if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID)
      yield forbiddenField(
        'spec.providerID',
        'node updates may not change providerID except from "" to valid',
      );
    yield* validateTaints(node);
    if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? ''))
      yield forbiddenField('spec.externalID', 'may not be updated');
  },
  selectableFields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable ?? false) }),
});

/** The single field holds the first of a node's ranges; it takes precedence, since old clients know only that field. */
function settleRanges(spec: NonNullable<Node['spec']>): void {
  if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
  else if (spec.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
}

function* validateResources({ status }: Node): FieldErrors {
  for (const list of ['capacity', 'allocatable'] as const)
    for (const name in status?.[list])
      yield* validateResourceAmount(name, status[list]![name]!, `status.${list}.${name}`);
}

const featureNameMax = 253;

function* validateDeclaredFeatures(features: readonly string[] = []): FieldErrors {
  for (const [index, feature] of features.entries()) {
    const field = `status.declaredFeatures[${index}]`;
    const before = features[index - 1];
    if (before === feature) yield duplicate(field, feature);
    else if (before !== undefined && before > feature)
      yield invalidValue(field, feature, 'list must be sorted alphabetically');
    yield* invalidFor(field, feature, featureNameProblems(feature));
  }
}

function featureNameProblems(name: string): string[] {
  const bad = `invalid feature name ${JSON.stringify(name)}`;
  if (name.length > featureNameMax) return [`${bad}: must be no more than ${featureNameMax} characters`];
  if (/^([A-Z][a-zA-Z0-9]*)(\/[a-zA-Z][a-zA-Z0-9]*)*$/.test(name)) return [];
  return [
    `${bad}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`,
  ];
}

function* validateAddresses({ status }: Node): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { type = '', address = '' }] of (status?.addresses ?? []).entries()) {
    const key = `${type} ${address}`;
    if (seen.has(key))
      yield duplicate(`status.addresses[${index}]`, innerForm('core.NodeAddress', { type, address }));
    seen.add(key);
  }
}

function* validateRangesUpdate(ranges: readonly string[], old: readonly string[]): FieldErrors {
  const changed = forbiddenField(
    'spec.podCIDRs',
    'node updates may not change podCIDR except from "" to valid',
  );
  if (old.length > 0 && ranges.length !== old.length) yield changed;
  else for (const [index, range] of old.entries()) if (ranges[index] !== range) yield changed;
}

function familyOf(range: string): number {
  return parseRange(range)?.bytes.length ?? 0;
}

/** Upstream reports taints under `metadata`. */
function* validateTaints(node: Node): FieldErrors {
  const seen = new Set<string>();
  for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
    const path = `metadata.taints[${index}]`;
    yield* invalidFor(`${path}.key`, taint.key, qualifiedNameProblems(taint.key));
    yield* invalidFor(`${path}.value`, taint.value ?? '', labelValueProblems(taint.value ?? ''));
    yield* oneOfInOrder(taint.effect, taintEffects, `${path}.effect`, 'required');
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity))
      yield duplicate(path, innerForm('core.Taint', taint), 'taints must be unique by key and effect pair');
    seen.add(identity);
  }
}

function statusCell(node: Node): string {
  const ready = (node.status?.conditions ?? []).find((condition) => condition.type === 'Ready');
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
  if (node.spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function rolesCell(node: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === roleLabel && value) roles.add(value);
  }
  return roles.size > 0 ? [...roles].sort().join(',') : '<none>';
}

/** With the architecture behind it. */
function kernelCell({ status }: Node): string {
  const { kernelVersion, architecture } = status?.nodeInfo ?? {};
  return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`;
}

function addressOf(node: Node, type: string): string {
  return (node.status?.addresses ?? []).find((address) => address.type === type)?.address ?? '<none>';
}
