/** StatefulSets. */

import { claimSpecWarnings, validateClaimSpec } from '../core/claim-spec.ts';
import { defaultClaim } from '../core/persistent-volume-claim.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { templateWarnings } from '../core/pod-spec/warnings.ts';
import { ageColumn, column, nameColumn, podColumns } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { replicasAsScale } from '../kinds/kind.ts';
import { StatefulSet } from '../resources.gen.ts';
import type { StatefulSetSpec } from '../types/apps-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import {
  invalidFor,
  nameRule,
  nonNegative,
  nonNegativeIntOrPercent,
  oneOfInOrder,
} from '../validation/fields.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import {
  selectorFromTemplate,
  validateCollisionCount,
  validateReplicaStatus,
  validateSelectorAndTemplate,
} from './replica-rules.ts';

const mutableFields = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;
const immutableMessage =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

const statusCounts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'];

export const statefulSetKind = defineKind(StatefulSet, {
  status: 'separate',
  hasGeneration: true,
  scale: replicasAsScale,
  validateName: nameRule(dnsLabelProblems),
  columns: [
    nameColumn,
    column('Ready', (set) => `${set.status?.readyReplicas ?? 0}/${set.spec?.replicas ?? 0}`),
    ageColumn,
    ...podColumns<StatefulSet>((set) => set.spec?.template?.spec),
  ],
  defaults(set) {
    const spec = set.spec;
    if (!spec) return;
    spec.podManagementPolicy ||= 'OrderedReady';
    spec.updateStrategy ??= {};
    if (!spec.updateStrategy.type) {
      spec.updateStrategy.type = 'RollingUpdate';
      spec.updateStrategy.rollingUpdate ??= {};
    }
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type === 'RollingUpdate' && rollingUpdate) rollingUpdate.partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      // What is frozen was stored, and has its defaults.
      if (Object.isFrozen(claim)) continue;
      claim.apiVersion = 'v1';
      claim.kind = 'PersistentVolumeClaim';
      defaultClaim(claim);
    }
  },
  prepareCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 };
  },
  *warnings(set, old) {
    yield* templateWarnings(set, old, { template: ({ spec }) => spec?.template, field: 'spec.template' });
    for (const [index, claim] of (set.spec?.volumeClaimTemplates ?? []).entries()) {
      // Upstream's path of an update has another name for the part.
      const field = `spec.volumeClaimTemplates[${index}]${old ? '.Spec' : ''}`;
      yield* claimSpecWarnings(claim.spec, field);
    }
    if ((set.spec?.revisionHistoryLimit ?? 0) < 0)
      yield 'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended';
  },
  *validate(set, { subresource, isUpdate }) {
    if (subresource === 'status') yield* validateReplicaStatus(set.status, statusCounts);
    // Whether unchanged fields are validated again depends on the old set.
    else if (!isUpdate) yield* validateSpec(set.spec ?? {}, newSet);
  },
  *validateUpdate(set, old, { subresource }) {
    if (subresource === 'status') yield* validateCollisionCount(set.status, old.status);
    if (subresource === 'status' || !set.spec || !old.spec) return;
    const wasInvalid = [...validateSpec(old.spec, changedSet)].length > 0;
    yield* validateSpec(set.spec, { ...changedSet, validatesPodSpec: !wasInvalid });
    const restored: StatefulSetSpec = { ...set.spec };
    for (const name of mutableFields) {
      if (old.spec[name] === undefined) delete restored[name];
      else Object.assign(restored, { [name]: old.spec[name] });
    }
    if (!semanticEqual(restored, old.spec)) yield forbiddenField('spec', immutableMessage);
  },
  versions: [
    {
      version: 'v1beta2',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'apps/v1 StatefulSet' },
    },
    {
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      defaults(object) {
        selectorFromTemplate(object);
        const spec = (object as StatefulSet).spec;
        if (!spec) return;
        spec.updateStrategy ??= {};
        spec.updateStrategy.type ||= 'OnDelete';
      },
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 StatefulSet' },
    },
  ],
});

/**
 * The parts to validate. An update is not refused for fields that it cannot change, nor for pods that were invalid
 * before.
 */
interface Scope {
  validatesClaims: boolean;
  validatesServiceName: boolean;
  validatesPodSpec: boolean;
}
const newSet: Scope = { validatesClaims: true, validatesServiceName: true, validatesPodSpec: true };
const changedSet: Scope = { validatesClaims: false, validatesServiceName: false, validatesPodSpec: true };

function* validateSpec(spec: Partial<StatefulSetSpec>, scope: Scope): FieldErrors {
  const policy = spec.podManagementPolicy as string | undefined;
  if (!policy) yield required('spec.podManagementPolicy');
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    yield invalidValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'");
  yield* validateStrategy(spec.updateStrategy ?? {}, 'spec.updateStrategy');
  for (const name of ['whenDeleted', 'whenScaled'] as const)
    yield* oneOfInOrder(
      spec.persistentVolumeClaimRetentionPolicy?.[name],
      ['Retain', 'Delete'],
      `spec.persistentVolumeClaimRetentionPolicy.${name}`,
      'optional',
    );
  if (scope.validatesClaims)
    for (const [index, claim] of (spec.volumeClaimTemplates ?? []).entries())
      yield* validateClaimSpec(claim.spec ?? {}, `spec.volumeClaimTemplates[${index}].spec`);
  yield* nonNegative(spec.replicas, 'spec.replicas');
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
  yield* nonNegative(spec.ordinals?.start, 'spec.ordinals.start');
  if (spec.serviceName && scope.validatesServiceName)
    yield* invalidFor('spec.serviceName', spec.serviceName, dnsLabelProblems(spec.serviceName));
  yield* validateSelectorAndTemplate(
    { selector: spec.selector, template: templateOfPods(spec) },
    {
      badSelector: '',
      selectorOwner: 'statefulset',
      deadlineOwner: 'StatefulSet',
      validatesPodSpec: scope.validatesPodSpec,
      repeatsMetadata: true,
    },
  );
}

/** As its pods will be: with the volumes of their claims, and without the names that each gets of its own. */
function templateOfPods({ template, volumeClaimTemplates = [] }: Partial<StatefulSetSpec>) {
  if (!template?.spec) return template;
  const { hostname: _, subdomain: __, volumes = [], ...spec } = template.spec;
  const claims = new Map(
    volumeClaimTemplates.map(({ metadata }) => {
      const name = metadata?.name ?? '';
      return [name, { name, persistentVolumeClaim: { claimName: name } }];
    }),
  );
  const all = [...claims.values(), ...volumes.filter(({ name }) => !claims.has(name))];
  return { ...template, spec: { ...spec, ...(all.length > 0 && { volumes: all }) } } as typeof template;
}

function* validateStrategy(
  strategy: NonNullable<StatefulSetSpec['updateStrategy']>,
  field: string,
): FieldErrors {
  const rolling = strategy.rollingUpdate;
  if (!strategy.type) yield required(field);
  else if (strategy.type === 'OnDelete') {
    if (rolling)
      yield invalidValue(
        `${field}.rollingUpdate`,
        innerForm('apps.RollingUpdateStatefulSetStrategy', rolling),
        "only allowed for updateStrategy 'RollingUpdate'",
      );
  } else if (strategy.type === 'RollingUpdate') {
    yield* nonNegative(rolling?.partition, `${field}.rollingUpdate.partition`);
    if (rolling?.maxUnavailable !== undefined)
      yield* nonNegativeIntOrPercent(rolling.maxUnavailable, `${field}.rollingUpdate.maxUnavailable`);
  } else
    yield invalidValue(
      field,
      innerForm('apps.StatefulSetUpdateStrategy', strategy),
      "must be 'RollingUpdate' or 'OnDelete'",
    );
}
