/** Nodes. */
import { ageColumn, column, nameColumn, wideColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import { Node } from '../resources.gen.ts';
import { cidr, parseRange } from '../validation/addresses.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { labelValueProblems, qualifiedNameProblems } from '../validation/names.ts';
import { validateResourceAmount, validateResourceName } from '../validation/resources.ts';
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
    wideColumn('Kernel-Version', (node) => node.status?.nodeInfo?.kernelVersion || '<unknown>'),
    wideColumn('Container-Runtime', (node) => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  defaults(node) {
    if (node.spec?.podCIDR && !node.spec.podCIDRs?.length) node.spec.podCIDRs = [node.spec.podCIDR];
    else if (node.spec?.podCIDRs?.length && !node.spec.podCIDR) node.spec.podCIDR = node.spec.podCIDRs[0]!;
    const status = node.status;
    if (status?.capacity && !status.allocatable)
      node.status = { ...status, allocatable: { ...status.capacity } };
  },
  *validate(node) {
    yield* validateTaints(node);
    const ranges = node.spec?.podCIDRs ?? [];
    for (const [index, range] of ranges.entries()) yield* cidr(range, `spec.podCIDRs[${index}]`);
    if (ranges.length > 2 || (ranges.length === 2 && familyOf(ranges[0]!) === familyOf(ranges[1]!)))
      yield invalidValue('spec.podCIDRs', ranges, 'may specify no more than one CIDR for each IP family');
    for (const list of ['capacity', 'allocatable'] as const)
      for (const name in node.status?.[list]) {
        const path = `status.${list}[${name}]`;
        yield* validateResourceName(name, path);
        yield* validateResourceAmount(name, node.status![list]![name]!, path);
      }
  },
  *validateUpdate(node, old) {
    for (const [index, range] of (old.spec?.podCIDRs ?? []).entries())
      if (node.spec?.podCIDRs?.[index] !== range) {
        yield forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
        break;
      }
    if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID)
      yield forbiddenField(
        'spec.providerID',
        'node updates may not change providerID except from "" to valid',
      );
  },
  selectableFields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable ?? false) }),
});

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
    if (!taint.effect) yield required(`${path}.effect`);
    else yield* oneOf(taint.effect, taintEffects, `${path}.effect`);
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity)) yield duplicate(path, taint, 'taints must be unique by key and effect pair');
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

function addressOf(node: Node, type: string): string {
  return (node.status?.addresses ?? []).find((address) => address.type === type)?.address ?? '<none>';
}
