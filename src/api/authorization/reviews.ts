/** Reviews of who may do what. They are answered, never stored. */
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, invalidValue, required } from '../field-error.ts';
import type { KubeObject } from '../meta.ts';
import {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../resources.gen.ts';
import type { NonResourceAttributes, ResourceAttributes } from '../types/authorization-v1.gen.ts';

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
  *validate({ spec }) {
    yield* exactlyOneAttributes(spec);
    yield* somebody(spec);
  },
});

export const localSubjectAccessReviewKind = defineKind(LocalSubjectAccessReview, {
  verbs,
  versions: [betaWithGroup('LocalSubjectAccessReview')],
  *validate({ metadata, spec }) {
    yield* exactlyOneAttributes(spec);
    yield* somebody(spec);
    const namespace = spec?.resourceAttributes?.namespace ?? '';
    if (spec?.resourceAttributes && namespace !== (metadata.namespace ?? ''))
      yield invalidValue('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace');
    if (spec?.nonResourceAttributes)
      yield invalidValue(
        'spec.nonResourceAttributes',
        spec.nonResourceAttributes,
        'disallowed on this kind of request',
      );
  },
});

export const selfSubjectAccessReviewKind = defineKind(SelfSubjectAccessReview, {
  verbs,
  versions: [betaVersion('SelfSubjectAccessReview')],
  *validate({ spec }) {
    yield* exactlyOneAttributes(spec);
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

function* exactlyOneAttributes(spec: Asked | undefined): FieldErrors {
  const { resourceAttributes, nonResourceAttributes } = spec ?? {};
  if (resourceAttributes && nonResourceAttributes)
    yield invalidValue(
      'spec.nonResourceAttributes',
      nonResourceAttributes,
      'cannot be specified in combination with resourceAttributes',
    );
  if (!resourceAttributes && !nonResourceAttributes)
    yield invalidValue(
      'spec.resourceAttributes',
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
}

function* somebody(spec: { user?: string; groups?: string[] } | undefined): FieldErrors {
  if (!spec?.user && !spec?.groups?.length)
    yield invalidValue('spec.user', spec?.user ?? '', 'at least one of user or group must be specified');
  for (const [index, group] of (spec?.groups ?? []).entries())
    if (!group) yield required(`spec.groups[${index}]`);
}

function renameInSpec(object: KubeObject, from: string, to: string): KubeObject {
  const spec = (object as KubeObject & { spec?: Record<string, unknown> }).spec;
  if (spec && from in spec) {
    spec[to] = spec[from];
    delete spec[from];
  }
  return object;
}
