/** What binds admission policies: to parameters, to a part of the requests, and to what follows from a violation. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding } from '../resources.gen.ts';
import type { MatchResources, ParamRef } from '../types/admissionregistration-v1.gen.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupportedInOrder,
  required,
} from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { pathSegmentProblems, subdomainProblems } from '../validation/names.ts';
import { defaultMatch, oldVersions, validateMatch, validateMutatedOperations } from './policy-matching.ts';
import { staticNameWarnings } from './static-names.ts';

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

export const mutatingAdmissionPolicyBindingKind = defineKind(MutatingAdmissionPolicyBinding, {
  ...bindingFacts,
  *validate({ spec }) {
    if (!spec) return;
    yield* validateBinding(spec, 'spec');
    yield* validateMutatedOperations(spec.matchResources, 'spec.matchResources');
  },
});

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

function paramRefText(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  return ref.namespace ? `${ref.namespace}/${ref.name ?? '*'}` : (ref.name ?? '*');
}
