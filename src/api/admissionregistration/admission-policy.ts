/** Admission policies in CEL, and what binds them. */

import type { CelType } from '../cel/check/types.ts';
import { ageColumn, column, countColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  notSupportedInOrder,
  required,
} from '../field-error.ts';
import {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../resources.gen.ts';
import type {
  AuditAnnotation,
  MatchResources,
  Mutation,
  NamedRuleWithOperations,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicyStatus,
  Validation,
  Variable,
} from '../types/admissionregistration-v1.gen.ts';
import { validateConditions } from '../validation/conditions.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import {
  dns1035LabelProblems,
  pathSegmentProblems,
  qualifiedNameProblems,
  subdomainProblems,
} from '../validation/names.ts';
import type { ExpressionScope } from './expression-types.ts';
import {
  validateExpression,
  validateMatchConditions,
  variableType,
  wantsBool,
  wantsString,
} from './expressions.ts';
import { staticNameWarnings } from './static-names.ts';
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
  warnings: ({ metadata }) => staticNameWarnings(metadata),
  prepareCreate(policy) {
    policy.status = {};
  },
  *validate({ metadata, spec, status }, { subresource }) {
    if (subresource === 'status') yield* validateStatus(status);
    if (subresource === 'status' || !spec) return;
    const scope = yield* validateCommon(spec, 'spec');
    const { validations = [], auditAnnotations = [] } = spec;
    if (validations.length === 0 && auditAnnotations.length === 0) {
      const why = 'validations or auditAnnotations must contain at least one item';
      yield required('spec.validations', why);
      yield required('spec.auditAnnotations', why);
    }
    for (const [index, validation] of validations.entries())
      yield* validateValidation(validation, `spec.validations[${index}]`, scope);
    yield* validateAuditAnnotations(auditAnnotations, metadata.name, scope);
  },
  versions: oldVersions,
});

type AnyBinding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

const bindingFacts = {
  hasGeneration: true,
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    column('PolicyName', ({ spec }: AnyBinding) => spec?.policyName ?? ''),
    column('ParamRef', ({ spec }: AnyBinding) => paramRefText(spec?.paramRef)),
    ageColumn,
  ],
  defaults({ spec }: AnyBinding) {
    defaultMatch(spec?.matchResources);
  },
  warnings: ({ metadata }: AnyBinding) => staticNameWarnings(metadata),
  versions: oldVersions,
};

export const validatingAdmissionPolicyBindingKind = defineKind(ValidatingAdmissionPolicyBinding, {
  ...bindingFacts,
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
  warnings: ({ metadata }) => staticNameWarnings(metadata),
  *validate({ spec }) {
    if (!spec) return;
    const scope = yield* validateCommon(spec, 'spec');
    const mutations = spec.mutations ?? [];
    if (mutations.length === 0) yield required('spec.mutations', 'mutations must contain at least one item');
    for (const [index, mutation] of mutations.entries())
      yield* validateMutation(mutation, `spec.mutations[${index}]`, scope);
    yield* validateMutatedOperations(spec.matchConstraints, 'spec.matchConstraints');
    yield* oneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], 'spec.reinvocationPolicy', 'required');
  },
  versions: oldVersions,
});

export const mutatingAdmissionPolicyBindingKind = defineKind(MutatingAdmissionPolicyBinding, {
  ...bindingFacts,
  *validate({ spec }) {
    if (!spec) return;
    yield* validateBinding(spec, 'spec');
    yield* validateMutatedOperations(spec.matchResources, 'spec.matchResources');
  },
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

/** Returns the variables that the other expressions may use. */
function* validateCommon(spec: CommonSpec, field: string): Generator<FieldError, ExpressionScope, undefined> {
  yield* oneOf(spec.failurePolicy, ['Fail', 'Ignore'], `${field}.failurePolicy`, 'required');
  if (spec.paramKind) yield* validateParamKind(spec.paramKind, `${field}.paramKind`);
  if (!spec.matchConstraints) yield required(`${field}.matchConstraints`);
  else {
    yield* validateMatch(spec.matchConstraints, `${field}.matchConstraints`);
    if (!spec.matchConstraints.resourceRules?.length)
      yield required(`${field}.matchConstraints.resourceRules`);
  }
  const hasParams = spec.paramKind !== undefined;
  yield* validateMatchConditions(spec.matchConditions, `${field}.matchConditions`, { hasParams });
  const variables = new Map<string, CelType>();
  const scope = { hasParams, hasAuthorizer: true, variables };
  for (const [index, { name, expression }] of (spec.variables ?? []).entries()) {
    const path = `${field}.variables[${index}]`;
    if (!name?.trim()) yield required(`${path}.name`, 'name is not specified');
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name))
      yield invalidValue(`${path}.name`, name, 'must be a valid CEL identifier');
    const whenEmpty = 'expression is not specified';
    yield* validateExpression(expression, `${path}.expression`, { scope, whenEmpty });
    if (name && expression?.trim()) variables.set(name, variableType(expression, scope));
  }
  return scope;
}

function* validateStatus(status: ValidatingAdmissionPolicyStatus | undefined): FieldErrors {
  for (const [index, { warning, fieldRef }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    const path = `status.typeChecking.expressionWarnings[${index}]`;
    if (!warning) yield required(`${path}.warning`);
    if (!fieldRef?.trim()) yield required(`${path}.fieldRef`);
  }
  yield* validateConditions(status?.conditions, 'status.conditions');
}

function* validateParamKind({ apiVersion, kind }: ParamKind, field: string): FieldErrors {
  if (!apiVersion) yield required(`${field}.apiVersion`);
  else if (apiVersion.split('/').length > 2)
    yield invalidValue(`${field}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  else {
    const [version = '', group] = apiVersion.split('/').reverse();
    for (const [part, problems] of [
      [group, group ? subdomainProblems(group) : []],
      [version, version ? dns1035LabelProblems(version) : []],
    ] as const)
      if (problems.length > 0) yield invalidValue(`${field}.apiVersion`, part, problems.join(','));
    if (!version) yield invalidValue(`${field}.apiVersion`, apiVersion, 'version must be specified');
  }
  if (!kind) yield required(`${field}.kind`);
  else {
    const problems = dns1035LabelProblems(kind.toLowerCase());
    if (problems.length > 0)
      yield invalidValue(
        `${field}.kind`,
        kind,
        `may have mixed case, but should otherwise match: ${problems.join(',')}`,
      );
  }
}

const nonEmpty = 'must be non-empty if specified';
const denialReasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];

function* validateValidation(
  { expression, message, messageExpression, reason }: Validation,
  path: string,
  scope: ExpressionScope,
): FieldErrors {
  const whenEmpty = 'expression is not specified';
  yield* validateExpression(expression, `${path}.expression`, { ...wantsBool, scope, whenEmpty });
  if (messageExpression && !messageExpression.trim())
    yield invalidValue(`${path}.messageExpression`, messageExpression, nonEmpty);
  else if (messageExpression) {
    const wanted = { ...wantsString, scope: { ...scope, hasAuthorizer: false }, whenEmpty: '' };
    yield* validateExpression(messageExpression, `${path}.messageExpression`, wanted);
  }
  if (message && !message.trim()) yield invalidValue(`${path}.message`, message, nonEmpty);
  else if (/[\n\r]/.test(message?.trim() ?? ''))
    yield invalidValue(`${path}.message`, message, 'must not contain line breaks');
  if (reason !== undefined && !denialReasons.includes(reason))
    yield notSupported(`${path}.reason`, reason, denialReasons);
}

const wantsText = { types: ['string', 'null'], text: 'one of [string null_type]' };

/** Keys stand in the audit log behind the policy's name. */
function* validateAuditAnnotations(
  annotations: readonly AuditAnnotation[],
  policyName: string,
  scope: ExpressionScope,
): FieldErrors {
  const keys = new Set<string>();
  for (const [index, { key, valueExpression }] of annotations.entries()) {
    const path = `spec.auditAnnotations[${index}]`;
    const whole = `${policyName}/${key ?? ''}`;
    yield* invalidFor(`${path}.key`, whole, qualifiedNameProblems(whole));
    const whenEmpty = 'valueExpression is not specified';
    yield* validateExpression(valueExpression, `${path}.valueExpression`, { ...wantsText, scope, whenEmpty });
    if (keys.has(key)) yield duplicate(`${path}.key`, key);
    keys.add(key);
  }
}

const mutationResults: Readonly<Record<string, { types: string[]; text: string }>> = {
  applyConfiguration: { types: ['Object'], text: 'Object' },
  jsonPatch: { types: ['list(JSONPatch)'], text: 'list(JSONPatch)' },
};

function* validateMutation(mutation: Mutation, path: string, scope: ExpressionScope): FieldErrors {
  const { patchType } = mutation;
  yield* oneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], `${path}.patchType`, 'required');
  if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch') return;
  const [own, other] =
    patchType === 'JSONPatch'
      ? (['jsonPatch', 'applyConfiguration'] as const)
      : (['applyConfiguration', 'jsonPatch'] as const);
  if (!mutation[own]) yield required(`${path}.${own}`, `must be specified when patchType is ${patchType}`);
  else {
    const wanted = { ...mutationResults[own], scope: { ...scope, hasPatchTypes: true }, whenEmpty: '' };
    yield* validateExpression(mutation[own].expression, `${path}.${own}.expression`, wanted);
  }
  if (mutation[other])
    yield invalidValue(
      `${path}.${other}`,
      `{${other}}`,
      `must not be specified when patchType is ${patchType}`,
    );
}

function* validateMatch(match: MatchResources, field: string): FieldErrors {
  yield* oneOf(match.matchPolicy, ['Equivalent', 'Exact'], `${field}.matchPolicy`, 'required');
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
function* validateMutatedOperations(match: MatchResources | undefined, field: string): FieldErrors {
  for (const { operations } of match?.resourceRules ?? [])
    for (const operation of operations ?? [])
      if (!mutatedOperations.includes(operation))
        yield notSupported(`${field}.resourceRules.operations`, operation, mutatedOperations);
}

const mutatedOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];
const notFoundActions = ['Deny', 'Allow'];

function* validateBinding(
  spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources },
  field: string,
): FieldErrors {
  if (!spec.policyName) yield required(`${field}.policyName`);
  else yield* invalidFor(`${field}.policyName`, spec.policyName, subdomainProblems(spec.policyName));
  const { paramRef, matchResources } = spec;
  if (paramRef) {
    const { name, selector } = paramRef;
    const both = name && selector;
    if (name) yield* invalidFor(`${field}.paramRef.name`, name, pathSegmentProblems(name));
    if (both) yield forbiddenField(`${field}.paramRef.name`, 'name and selector are mutually exclusive');
    yield* validateLabelSelector(selector, `${field}.paramRef.selector`);
    if (both) yield forbiddenField(`${field}.paramRef.selector`, 'name and selector are mutually exclusive');
    if (!name && !selector) yield required(`${field}.paramRef`, 'one of name or selector must be specified');
    const action = paramRef.parameterNotFoundAction;
    const actionPath = `${field}.paramRef.parameterNotFoundAction`;
    if (!action) yield required(actionPath);
    else if (!notFoundActions.includes(action))
      yield notSupportedInOrder(actionPath, action, notFoundActions);
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
