/** Which requests an admission policy or its binding is about: what both say of it, and in which versions. */

import type { MatchResources, NamedRuleWithOperations } from '../types/admissionregistration-v1.gen.ts';
import { duplicate, type FieldErrors, notSupported } from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { pathSegmentProblems } from '../validation/names.ts';
import { validateRule } from './webhook-configuration.ts';

/** Of the four kinds of policies and bindings alike. */
export const oldVersions = ['v1beta1', 'v1alpha1'];

export function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])])
    rule.scope ??= '*';
}

export function* validateMatch(match: MatchResources, field: string): FieldErrors {
  yield* oneOf(match.matchPolicy, ['Equivalent', 'Exact'], `${field}.matchPolicy`);
  yield* validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`);
  yield* validateLabelSelector(match.objectSelector, `${field}.objectSelector`);
  for (const list of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [index, rule] of (match[list] ?? []).entries()) {
      for (const [nameIndex, name] of (rule.resourceNames ?? []).entries()) {
        const path = `${field}.${list}[${index}].resourceNames[${nameIndex}]`;
        yield* invalidFor(path, name, pathSegmentProblems(name));
        if (rule.resourceNames!.indexOf(name) < nameIndex) yield duplicate(path, name);
      }
      yield* validateRule(rule as NamedRuleWithOperations, `${field}.${list}[${index}]`);
    }
}

/** Of what is deleted nothing can be changed. */
export function* validateMutatedOperations(match: MatchResources | undefined, field: string): FieldErrors {
  for (const { operations } of match?.resourceRules ?? [])
    for (const operation of operations ?? [])
      if (!mutatedOperations.includes(operation))
        yield notSupported(`${field}.resourceRules.operations`, operation, mutatedOperations);
}

const mutatedOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];
