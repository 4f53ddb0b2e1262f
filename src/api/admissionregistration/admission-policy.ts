/** Admission policies in CEL, and what binds them. */
import { ageColumn, column, countColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../resources.gen.ts';
import type {
  MatchResources,
  NamedRuleWithOperations,
  ParamKind,
  ParamRef,
  Variable,
} from '../types/admissionregistration-v1.gen.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { pathSegmentProblems, qualifiedNameProblems } from '../validation/names.ts';
import { validateExpression, validateMatchConditions } from './expressions.ts';
import { validateRule } from './webhook-configuration.ts';

const oldVersions = ['v1beta1', 'v1alpha1'];

export const validatingAdmissionPolicyKind = defineKind(ValidatingAdmissionPolicy, {
  status: 'separate',
  hasGeneration: true,
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    countColumn('Validations', ({ spec }) => spec?.validations?.length ?? 0),
    column('ParamKind', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatch(spec.matchConstraints);
  },
  prepareCreate(policy) {
    policy.status = {};
  },
  *validate({ spec }, { subresource }) {
    if (subresource === 'status' || !spec) return;
    yield* validateCommon(spec, 'spec');
    const { validations = [], auditAnnotations = [] } = spec;
    if (validations.length === 0 && auditAnnotations.length === 0) {
      const why = 'validations or auditAnnotations must contain at least one item';
      yield required('spec.validations', why);
      yield required('spec.auditAnnotations', why);
    }
    for (const [index, { expression, message, messageExpression }] of validations.entries()) {
      const path = `spec.validations[${index}]`;
      yield* validateExpression(expression, `${path}.expression`, 'expression is not specified');
      if (messageExpression) yield* validateExpression(messageExpression, `${path}.messageExpression`, '');
      if (message?.includes('\n'))
        yield invalidValue(`${path}.message`, message, 'message must not contain line breaks');
      if (expression?.includes('\n') && !message && !messageExpression)
        yield required(`${path}.message`, 'message must be specified if expression contains line breaks');
    }
    for (const [index, { key, valueExpression }] of auditAnnotations.entries()) {
      const path = `spec.auditAnnotations[${index}]`;
      if (!key) yield required(`${path}.key`);
      else yield* invalidFor(`${path}.key`, key, qualifiedNameProblems(key));
      yield* validateExpression(
        valueExpression,
        `${path}.valueExpression`,
        'valueExpression is not specified',
      );
    }
  },
  versions: oldVersions,
});

export const validatingAdmissionPolicyBindingKind = defineKind(ValidatingAdmissionPolicyBinding, {
  hasGeneration: true,
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    column('PolicyName', ({ spec }) => spec?.policyName ?? ''),
    column('ParamRef', ({ spec }) => paramRefText(spec?.paramRef)),
    ageColumn,
  ],
  defaults({ spec }) {
    defaultMatch(spec?.matchResources);
  },
  *validate({ spec }) {
    if (!spec) return;
    yield* validateBinding(spec, 'spec');
    const actions = spec.validationActions ?? [];
    if (actions.length === 0)
      yield required('spec.validationActions', 'at least one validation action is required');
    for (const [index, action] of actions.entries()) {
      yield* oneOf(action, ['Audit', 'Deny', 'Warn'], `spec.validationActions[${index}]`);
      if (actions.indexOf(action) < index) yield duplicate(`spec.validationActions[${index}]`, action);
    }
    if (actions.includes('Deny') && actions.includes('Warn'))
      yield invalidValue(
        'spec.validationActions',
        actions,
        'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      );
  },
  versions: oldVersions,
});

export const mutatingAdmissionPolicyKind = defineKind(MutatingAdmissionPolicy, {
  hasGeneration: true,
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    countColumn('Mutations', ({ spec }) => spec?.mutations?.length ?? 0),
    column('ParamKind', ({ spec }) => paramKindText(spec?.paramKind)),
    ageColumn,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatch(spec.matchConstraints);
  },
  *validate({ spec }) {
    if (!spec) return;
    yield* validateCommon(spec, 'spec');
    const mutations = spec.mutations ?? [];
    if (mutations.length === 0) yield required('spec.mutations', 'mutations must contain at least one item');
    for (const [index, { patchType, applyConfiguration, jsonPatch }] of mutations.entries()) {
      const path = `spec.mutations[${index}]`;
      yield* oneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], `${path}.patchType`, 'required');
      const [own, other, ownName, otherName] =
        patchType === 'JSONPatch'
          ? [jsonPatch, applyConfiguration, 'jsonPatch', 'applyConfiguration']
          : [applyConfiguration, jsonPatch, 'applyConfiguration', 'jsonPatch'];
      if (other)
        yield invalidValue(
          `${path}.${otherName}`,
          '{...}',
          `must not be specified when patchType is ${patchType}`,
        );
      if (!own) yield required(`${path}.${ownName}`, `must be specified when patchType is ${patchType}`);
      else
        yield* validateExpression(
          own.expression,
          `${path}.${ownName}.expression`,
          'expression is not specified',
        );
    }
    yield* oneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], 'spec.reinvocationPolicy', 'required');
  },
  versions: oldVersions,
});

export const mutatingAdmissionPolicyBindingKind = defineKind(MutatingAdmissionPolicyBinding, {
  hasGeneration: true,
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    column('PolicyName', ({ spec }) => spec?.policyName ?? ''),
    column('ParamRef', ({ spec }) => paramRefText(spec?.paramRef)),
    ageColumn,
  ],
  defaults({ spec }) {
    defaultMatch(spec?.matchResources);
  },
  *validate({ spec }) {
    if (spec) yield* validateBinding(spec, 'spec');
  },
  versions: oldVersions,
});

function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])])
    rule.scope ??= '*';
}

interface CommonSpec {
  paramKind?: ParamKind;
  matchConstraints?: MatchResources;
  matchConditions?: { name: string; expression: string }[];
  failurePolicy?: string;
  variables?: Variable[];
}

function* validateCommon(spec: CommonSpec, field: string): FieldErrors {
  yield* oneOf(spec.failurePolicy, ['Fail', 'Ignore'], `${field}.failurePolicy`, 'required');
  if (spec.paramKind)
    for (const name of ['apiVersion', 'kind'] as const)
      if (!spec.paramKind[name]) yield required(`${field}.paramKind.${name}`);
  if (!spec.matchConstraints) yield required(`${field}.matchConstraints`);
  else {
    yield* validateMatch(spec.matchConstraints, `${field}.matchConstraints`);
    if (!spec.matchConstraints.resourceRules?.length)
      yield required(`${field}.matchConstraints.resourceRules`);
  }
  yield* validateMatchConditions(spec.matchConditions, `${field}.matchConditions`);
  const names = new Set<string>();
  for (const [index, { name, expression }] of (spec.variables ?? []).entries()) {
    const path = `${field}.variables[${index}]`;
    if (!name?.trim()) yield required(`${path}.name`, 'name is not specified');
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name))
      yield invalidValue(`${path}.name`, name, 'name is not a valid CEL identifier');
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
    yield* validateExpression(expression, `${path}.expression`, 'expression is not specified');
  }
}

function* validateMatch(match: MatchResources, field: string): FieldErrors {
  yield* validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`);
  yield* validateLabelSelector(match.objectSelector, `${field}.objectSelector`);
  yield* oneOf(match.matchPolicy, ['Equivalent', 'Exact'], `${field}.matchPolicy`, 'required');
  for (const list of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [index, rule] of (match[list] ?? []).entries()) {
      yield* validateRule(rule as NamedRuleWithOperations, `${field}.${list}[${index}]`);
      for (const [nameIndex, name] of (rule.resourceNames ?? []).entries())
        yield* invalidFor(
          `${field}.${list}[${index}].resourceNames[${nameIndex}]`,
          name,
          pathSegmentProblems(name),
        );
    }
}

function* validateBinding(
  spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources },
  field: string,
): FieldErrors {
  if (!spec.policyName) yield required(`${field}.policyName`);
  else yield* invalidFor(`${field}.policyName`, spec.policyName, pathSegmentProblems(spec.policyName));
  const { paramRef, matchResources } = spec;
  if (paramRef) {
    if (!paramRef.name && !paramRef.selector)
      yield required(`${field}.paramRef`, 'one of name or selector must be specified');
    if (paramRef.name && paramRef.selector)
      yield forbiddenField(`${field}.paramRef.name`, 'name and selector are mutually exclusive');
    yield* oneOf(
      paramRef.parameterNotFoundAction,
      ['Allow', 'Deny'],
      `${field}.paramRef.parameterNotFoundAction`,
      'required',
    );
  }
  if (matchResources) yield* validateMatch(matchResources, `${field}.matchResources`);
}

function paramKindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : '<unset>';
}

function paramRefText(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  return ref.namespace ? `${ref.namespace}/${ref.name ?? '*'}` : (ref.name ?? '*');
}
