/** Validation of what steers scheduling: affinity, tolerations, spread constraints, gates. */

import type { LabelSelector } from '../../meta.ts';
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from '../../types/core-v1.gen.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../../validation/field-error.ts';
import { invalidFor, oneOf, oneOfInOrder } from '../../validation/fields.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import {
  dnsLabelProblems,
  labelValueProblems,
  qualifiedNameProblems,
  subdomainProblems,
} from '../../validation/names.ts';

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function* validateAffinity(affinity: Affinity | undefined, field: string): FieldErrors {
  if (!affinity) return;
  const { nodeAffinity } = affinity;
  if (nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
    yield* validateNodeSelector(
      nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution,
      `${field}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`,
    );
  for (const [index, term] of (
    nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  ).entries()) {
    const path = `${field}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    yield* validateWeight(term.weight, `${path}.weight`);
    // A value that no label can have prefers nothing: the client is warned.
    if (term.preference)
      yield* validateNodeSelectorTerm(term.preference, `${path}.preference`, { anyValues: true });
  }
  yield* validatePodAffinity(affinity.podAffinity, `${field}.podAffinity`);
  yield* validatePodAffinity(affinity.podAntiAffinity, `${field}.podAntiAffinity`);
}

function* validateWeight(weight: number, field: string): FieldErrors {
  if (!(weight >= 1 && weight <= 100)) yield invalidValue(field, weight, 'must be in the range 1-100');
}

export function* validateNodeSelector(selector: NodeSelector, field: string): FieldErrors {
  const terms = selector.nodeSelectorTerms ?? [];
  if (terms.length === 0)
    yield required(`${field}.nodeSelectorTerms`, 'must have at least one node selector term');
  for (const [index, term] of terms.entries())
    yield* validateNodeSelectorTerm(term, `${field}.nodeSelectorTerms[${index}]`);
}

function* validateNodeSelectorTerm(
  term: NodeSelectorTerm,
  field: string,
  { anyValues = false } = {},
): FieldErrors {
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    yield* validateNodeRequirement(requirement, path);
    if (anyValues) continue;
    for (const [at, value] of (requirement.values ?? []).entries())
      yield* invalidFor(`${path}.values[${at}]`, value, labelValueProblems(value));
  }
  for (const [index, requirement] of (term.matchFields ?? []).entries())
    yield* validateNodeFieldRequirement(requirement, `${field}.matchFields[${index}]`);
}

function* validateNodeRequirement(requirement: NodeSelectorRequirement, field: string): FieldErrors {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        yield required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        yield forbiddenField(
          `${field}.values`,
          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        );
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        yield required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
      break;
    default:
      yield invalidValue(`${field}.operator`, requirement.operator, 'not a valid selector operator');
  }
  yield* invalidFor(`${field}.key`, requirement.key, qualifiedNameProblems(requirement.key));
}

function* validateNodeFieldRequirement(requirement: NodeSelectorRequirement, field: string): FieldErrors {
  if (requirement.operator !== 'In' && requirement.operator !== 'NotIn')
    yield invalidValue(`${field}.operator`, requirement.operator, 'not a valid selector operator');
  else if (requirement.values?.length !== 1)
    yield required(
      `${field}.values`,
      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
    );
  if (requirement.key !== 'metadata.name')
    yield invalidValue(`${field}.key`, requirement.key, 'not a valid field selector key');
  else
    for (const [index, name] of (requirement.values ?? []).entries())
      yield* invalidFor(`${field}.values[${index}]`, name, subdomainProblems(name));
}

function* validatePodAffinity(affinity: PodAffinity | undefined, field: string): FieldErrors {
  if (!affinity) return;
  for (const [index, term] of (affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    yield* validatePodAffinityTerm(term, `${field}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`);
  for (const [index, weighted] of (
    affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []
  ).entries()) {
    const path = `${field}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    yield* validateWeight(weighted.weight, `${path}.weight`);
    yield* validatePodAffinityTerm(weighted.podAffinityTerm, `${path}.podAffinityTerm`);
  }
}

function* validatePodAffinityTerm(term: PodAffinityTerm, field: string): FieldErrors {
  yield* validateLabelSelector(term.labelSelector, `${field}.labelSelector`);
  yield* validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`);
  for (const name of term.namespaces ?? [])
    yield* invalidFor(`${field}.namespace`, name, dnsLabelProblems(name));
  yield* validateLabelKeys(term, field);
  const key = term.topologyKey ?? '';
  if (key === '') yield required(`${field}.topologyKey`, 'can not be empty');
  yield* invalidFor(`${field}.topologyKey`, key, qualifiedNameProblems(key));
}

interface WithLabelKeys {
  labelSelector?: LabelSelector;
  matchLabelKeys?: string[];
  mismatchLabelKeys?: string[];
}

/** Keys whose values are the pod's own: none twice, and none that the selector names as well. */
function* validateLabelKeys(term: WithLabelKeys, field: string): FieldErrors {
  for (const name of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[name] ?? [];
    if (keys.length > 0 && !term.labelSelector)
      yield forbiddenField(`${field}.${name}`, 'must not be specified when labelSelector is not set');
    else
      for (const [index, key] of keys.entries())
        yield* invalidFor(`${field}.${name}[${index}]`, key, qualifiedNameProblems(key));
  }
  const keys = term.matchLabelKeys ?? [];
  const seen = new Set(Object.keys(term.labelSelector?.matchLabels ?? {}));
  for (const { key } of term.labelSelector?.matchExpressions ?? []) {
    if (keys.includes(key) && seen.has(key))
      yield invalidValue(
        `${field}[${keys.lastIndexOf(key)}]`,
        key,
        'exists in both matchLabelKeys and labelSelector',
      );
    seen.add(key);
  }
  for (const [index, key] of keys.entries())
    if (term.mismatchLabelKeys?.includes(key))
      yield invalidValue(
        `${field}.matchLabelKeys[${index}]`,
        key,
        'exists in both matchLabelKeys and mismatchLabelKeys',
      );
}

export function* validateTolerations(tolerations: Toleration[] | undefined, field: string): FieldErrors {
  for (const [index, toleration] of (tolerations ?? []).entries()) {
    const path = `${field}[${index}]`;
    const { key, operator, value, effect } = toleration;
    if (key) yield* invalidFor(`${path}.key`, key, qualifiedNameProblems(key));
    else if (operator !== 'Exists')
      yield invalidValue(
        `${path}.operator`,
        operator ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute')
      yield invalidValue(
        `${path}.effect`,
        effect ?? '',
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      );
    if (!operator || operator === 'Equal')
      yield* invalidFor(`${path}.operator`, value ?? '', labelValueProblems(value ?? ''));
    else if (operator === 'Exists') {
      if (value)
        yield invalidValue(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'");
    } else yield* oneOf(operator, ['Equal', 'Exists'], `${path}.operator`);
    yield* oneOfInOrder(effect, taintEffects, `${path}.effect`, 'optional');
  }
}

export function* validateSpreadConstraints(
  constraints: TopologySpreadConstraint[] | undefined,
  field: string,
): FieldErrors {
  const pairs = (constraints ?? []).map((each) => `{${each.topologyKey}, ${each.whenUnsatisfiable}}`);
  for (const [index, constraint] of (constraints ?? []).entries()) {
    const path = `${field}[${index}]`;
    const { maxSkew, minDomains, topologyKey, whenUnsatisfiable } = constraint;
    if (!(maxSkew > 0)) yield invalidValue(`${path}.maxSkew`, maxSkew ?? 0, 'must be greater than zero');
    // Any text will do here, unlike within an affinity.
    if (!topologyKey) yield required(`${path}.topologyKey`, 'can not be empty');
    yield* oneOf(whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway'], `${path}.whenUnsatisfiable`);
    // Of two, the first is the one too many.
    const pair = pairs[index]!;
    if (pairs.includes(pair, index + 1)) yield duplicate(`${path}.{topologyKey, whenUnsatisfiable}`, pair);
    if (minDomains !== undefined) {
      if (minDomains <= 0) yield invalidValue(`${path}.minDomains`, minDomains, 'must be greater than zero');
      if (whenUnsatisfiable !== 'DoNotSchedule')
        yield invalidValue(
          `${path}.minDomains`,
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        );
    }
    yield* oneOf(
      constraint.nodeAffinityPolicy,
      ['Ignore', 'Honor'],
      `${path}.nodeAffinityPolicy`,
      'undefined',
    );
    yield* oneOf(constraint.nodeTaintsPolicy, ['Ignore', 'Honor'], `${path}.nodeTaintsPolicy`, 'undefined');
    yield* validateLabelKeys(constraint, path);
    yield* validateLabelSelector(constraint.labelSelector, `${path}.labelSelector`);
  }
}

export function* validateGates(spec: PodSpec, field: string): FieldErrors {
  for (const [index, gate] of (spec.readinessGates ?? []).entries())
    yield* invalidFor(
      `${field}.readinessGates[${index}].conditionType`,
      gate.conditionType,
      qualifiedNameProblems(gate.conditionType ?? ''),
    );
  const seen = new Set<string>();
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    const path = `${field}.schedulingGates[${index}]`;
    if (seen.has(name)) yield duplicate(path, name);
    seen.add(name);
    yield* invalidFor(path, name, qualifiedNameProblems(name ?? ''));
  }
}
