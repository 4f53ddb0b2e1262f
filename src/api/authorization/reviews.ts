/** Reviews of who may do what. They are answered, never stored. */
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../resources.gen.ts';
import type { NonResourceAttributes, ResourceAttributes } from '../types/authorization-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { labelValueProblems, qualifiedNameProblems } from '../validation/names.ts';

const verbs: readonly string[] = ['create'];

function betaVersion(kind: string) {
  return {
    version: 'v1beta1',
    deprecation: { since: '1.19', removedIn: '1.22', replacement: `authorization.k8s.io/v1 ${kind}` },
  };
}

/** The beta version calls the groups `group`. */
function betaWithGroup(kind: string) {
  return {
    ...betaVersion(kind),
    toStored: (object: KubeObject) => renameInSpec(object, 'group', 'groups'),
    fromStored: (object: KubeObject) => renameInSpec(object, 'groups', 'group'),
  };
}

export const subjectAccessReviewKind = defineKind(SubjectAccessReview, {
  verbs,
  versions: [betaWithGroup('SubjectAccessReview')],
  *validate({ metadata, spec }) {
    yield* exactlyOneAttributes(spec);
    yield* requireSubject(spec);
    yield* validateSelectors(spec);
    yield* emptyMetadata(metadata, 'must be empty');
  },
});

export const localSubjectAccessReviewKind = defineKind(LocalSubjectAccessReview, {
  verbs,
  versions: [betaWithGroup('LocalSubjectAccessReview')],
  *validate({ metadata, spec }) {
    yield* exactlyOneAttributes(spec);
    yield* requireSubject(spec);
    yield* validateSelectors(spec);
    yield* emptyMetadata(metadata, 'must be empty except for namespace', 'namespace');
    const own = metadata.namespace;
    const namespace = spec?.resourceAttributes?.namespace ?? '';
    if (spec?.resourceAttributes && namespace !== (own ?? ''))
      yield invalidValue('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace');
    if (spec?.nonResourceAttributes)
      yield invalidValue(
        'spec.nonResourceAttributes',
        innerForm('authorization.NonResourceAttributes', spec.nonResourceAttributes),
        'disallowed on this kind of request',
      );
  },
});

export const selfSubjectAccessReviewKind = defineKind(SelfSubjectAccessReview, {
  verbs,
  versions: [betaVersion('SelfSubjectAccessReview')],
  *validate({ metadata, spec }) {
    yield* exactlyOneAttributes(spec);
    yield* validateSelectors(spec);
    yield* emptyMetadata(metadata, 'must be empty');
  },
});

export const selfSubjectRulesReviewKind = defineKind(SelfSubjectRulesReview, {
  verbs,
  versions: [betaVersion('SelfSubjectRulesReview')],
});

interface Asked {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

/**
 * A review is about nothing that is stored: it may have no metadata except what the server sets itself, and the field
 * `allowed`. Errors quote the metadata in the order of its type.
 */
function* emptyMetadata(metadata: Partial<KubeObject['metadata']>, why: string, allowed = ''): FieldErrors {
  const { name, namespace, managedFields, ...others } = metadata;
  const ordered = { name, namespace, ...others, managedFields };
  const isSet = ([field, value]: [string, unknown]) =>
    field !== allowed && field !== 'managedFields' && value !== undefined && value !== '';
  if (Object.entries(ordered).some(isSet)) yield invalidValue('metadata', ordered, why);
}

function* validateSelectors(spec: Asked | undefined): FieldErrors {
  const { fieldSelector, labelSelector } = spec?.resourceAttributes ?? {};
  yield* validateSelector(fieldSelector, 'spec.resourceAttributes.fieldSelector', validateFieldRequirement);
  yield* validateSelector(labelSelector, 'spec.resourceAttributes.labelSelector', validateLabelRequirement);
}

interface Requirement {
  key?: string;
  operator?: string;
  values?: readonly string[];
}

interface Selector {
  rawSelector?: string;
  requirements?: readonly Requirement[];
}

function* validateSelector(
  selector: Selector | undefined,
  field: string,
  validateRequirement: (requirement: Requirement, field: string) => FieldErrors,
): FieldErrors {
  if (!selector) return;
  const { rawSelector, requirements = [] } = selector;
  if (rawSelector && requirements.length > 0)
    yield invalidValue(
      `${field}.rawSelector`,
      rawSelector,
      'may not specified at the same time as requirements',
    );
  if (!rawSelector && requirements.length === 0)
    yield required(
      `${field}.requirements`,
      `when ${field} is specified, requirements or rawSelector is required`,
    );
  for (const [index, requirement] of requirements.entries())
    yield* validateRequirement(requirement, `${field}.requirements[${index}]`);
}

function* validateFieldRequirement(requirement: Requirement, field: string): FieldErrors {
  if (!requirement.key) yield required(`${field}.key`, 'must be specified');
  yield* validateOperator(requirement, field);
}

function* validateLabelRequirement(requirement: Requirement, field: string): FieldErrors {
  const { key = '', values = [] } = requirement;
  yield* validateOperator(requirement, field);
  yield* invalidFor(`${field}.key`, key, qualifiedNameProblems(key));
  for (const [index, value] of values.entries())
    yield* invalidFor(`${field}.values[${index}]`, value, labelValueProblems(value));
}

/** Operators of a later Kubernetes are let pass. */
function* validateOperator({ operator, values = [] }: Requirement, field: string): FieldErrors {
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0)
    yield required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
    yield forbiddenField(
      `${field}.values`,
      "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    );
}

function* exactlyOneAttributes(spec: Asked | undefined): FieldErrors {
  const { resourceAttributes, nonResourceAttributes } = spec ?? {};
  if (resourceAttributes && nonResourceAttributes)
    yield invalidValue(
      'spec.nonResourceAttributes',
      innerForm('authorization.NonResourceAttributes', nonResourceAttributes),
      'cannot be specified in combination with resourceAttributes',
    );
  if (!resourceAttributes && !nonResourceAttributes)
    yield invalidValue(
      'spec.resourceAttributes',
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
}

function* requireSubject(spec: { user?: string; groups?: string[] } | undefined): FieldErrors {
  if (!spec?.user && !spec?.groups?.length)
    yield invalidValue('spec.user', spec?.user ?? '', 'at least one of user or group must be specified');
}

function renameInSpec(object: KubeObject, from: string, to: string): KubeObject {
  const spec = (object as KubeObject & { spec?: Record<string, unknown> }).spec;
  if (spec && from in spec) {
    spec[to] = spec[from];
    delete spec[from];
  }
  return object;
}
