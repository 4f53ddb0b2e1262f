/** Admission policies in CEL: those that judge objects, and those that change them. */

import type { CelType } from '../cel/check/types.ts';
import { ageColumn, column, countColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { MutatingAdmissionPolicy, ValidatingAdmissionPolicy } from '../resources.gen.ts';
import type {
  AuditAnnotation,
  MatchResources,
  Mutation,
  ParamKind,
  ValidatingAdmissionPolicyStatus,
  Validation,
  Variable,
} from '../types/admissionregistration-v1.gen.ts';
import { validateConditions } from '../validation/conditions.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { dns1035LabelProblems, qualifiedNameProblems, subdomainProblems } from '../validation/names.ts';
import type { ExpressionScope } from './expression-types.ts';
import {
  validateExpression,
  validateMatchConditions,
  variableType,
  wantsBool,
  wantsString,
} from './expressions.ts';
import { defaultMatch, oldVersions, validateMatch, validateMutatedOperations } from './policy-matching.ts';
import { staticNameWarnings } from './static-names.ts';

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

interface CommonSpec {
  paramKind?: ParamKind;
  matchConstraints?: MatchResources;
  matchConditions?: { name: string; expression: string }[];
  failurePolicy?: string;
  variables?: Variable[];
}

/** Returns the variables that the other expressions may use. */
function* validateCommon(spec: CommonSpec, field: string): Generator<FieldError, ExpressionScope, undefined> {
  yield* oneOf(spec.failurePolicy, ['Fail', 'Ignore'], `${field}.failurePolicy`);
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

function paramKindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : '<unset>';
}
