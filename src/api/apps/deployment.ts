/** Deployments, in all the versions in which they were ever served. */

import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { workloadWarnings } from '../core/pod-spec/warnings.ts';
import { ageColumn, column, formatSelector, nameColumn, podColumns, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { replicasAsScale } from '../kinds/kind.ts';
import type { KubeObject } from '../meta.ts';
import { Deployment } from '../resources.gen.ts';
import type { DeploymentSpec } from '../types/apps-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import {
  atMost100Percent,
  isZeroIntOrPercent,
  nonNegative,
  nonNegativeIntOrPercent,
} from '../validation/fields.ts';
import {
  selectorFromTemplate,
  validateCollisionCount,
  validateReplicaStatus,
  validateSelectorAndTemplate,
  validateSelectorUpdate,
} from './replica-rules.ts';

/** The value in old versions that means `no limit`. */
const unlimited = 2147483647;

const statusCounts = ['updatedReplicas', 'readyReplicas', 'availableReplicas'];

/** Where the rollback that extensions/v1beta1 has as a field is kept. */
export const rollbackAnnotation = 'deprecated.deployment.rollback.to';

export const deploymentKind = defineKind(Deployment, {
  status: 'separate',
  hasGeneration: true,
  scale: replicasAsScale,
  columns: [
    nameColumn,
    column(
      'Ready',
      (deployment) => `${deployment.status?.readyReplicas ?? 0}/${deployment.spec.replicas ?? 0}`,
    ),
    column('Up-to-date', (deployment) => deployment.status?.updatedReplicas ?? 0),
    column('Available', (deployment) => deployment.status?.availableReplicas ?? 0),
    ageColumn,
    ...podColumns<Deployment>((deployment) => deployment.spec.template?.spec),
    wideColumn('Selector', (deployment) => formatSelector(deployment.spec.selector)),
  ],
  defaults(deployment) {
    const spec = deployment.spec;
    if (!spec) return;
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ||= 'RollingUpdate';
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
      spec.strategy.rollingUpdate.maxSurge ??= '25%';
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultPodTemplate(spec.template);
  },
  prepareCreate(deployment) {
    deployment.status = {};
  },
  // Annotations are copied to the ReplicaSets, so a change of them is one that the controller must have observed.
  prepareUpdate({ metadata }, { metadata: old }) {
    if (!semanticEqual(metadata.annotations ?? {}, old.annotations ?? {}))
      metadata.generation = (old.generation ?? 0) + 1;
  },
  prepareStatusUpdate(deployment, old) {
    deployment.spec = old.spec;
    if (old.metadata.labels) deployment.metadata.labels = old.metadata.labels;
    else delete deployment.metadata.labels;
  },
  warnings: (deployment, old) =>
    workloadWarnings(deployment, old, { template: ({ spec }) => spec?.template, field: 'spec.template' }),
  *validate(deployment, { subresource }) {
    if (subresource === 'status') yield* validateReplicaStatus(deployment.status, statusCounts);
    else yield* validateSpec(deployment.spec ?? {});
  },
  *validateUpdate(deployment, old, context) {
    if (context.subresource === 'status') yield* validateCollisionCount(deployment.status, old.status);
    else yield* validateSelectorUpdate(deployment.spec?.selector, old.spec?.selector, context);
  },
  versions: [
    {
      version: 'v1beta2',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'apps/v1 Deployment' },
    },
    {
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      defaults: (object) => defaultOld(object, { surge: '25%', history: 2, deadlineSeconds: 600 }),
      toStored: keepRollback,
      fromStored: showRollback,
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 Deployment' },
    },
    {
      group: 'extensions',
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      defaults: (object) => defaultOld(object, { surge: 1, history: unlimited, deadlineSeconds: unlimited }),
      toStored: keepRollback,
      fromStored: showRollback,
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 Deployment' },
    },
  ],
});

function* validateSpec(spec: Partial<DeploymentSpec>): FieldErrors {
  yield* nonNegative(spec.replicas, 'spec.replicas');
  yield* validateSelectorAndTemplate(spec, {
    selectorOwner: 'deployment',
    deadlineOwner: 'ReplicaSet',
    badSelector: 'invalid label selector',
  });
  yield* validateStrategy(spec.strategy ?? {}, 'spec.strategy');
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
  yield* nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  const deadline = spec.progressDeadlineSeconds;
  yield* nonNegative(deadline, 'spec.progressDeadlineSeconds');
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0))
    yield invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
}

function* validateStrategy(strategy: NonNullable<DeploymentSpec['strategy']>, field: string): FieldErrors {
  const rolling = strategy.rollingUpdate;
  switch (strategy.type) {
    case 'Recreate':
      if (rolling)
        yield forbiddenField(
          `${field}.rollingUpdate`,
          "may not be specified when strategy `type` is 'Recreate'",
        );
      return;
    case 'RollingUpdate': {
      if (!rolling) {
        yield required(`${field}.rollingUpdate`, 'this should be defaulted and never be nil');
        return;
      }
      const path = `${field}.rollingUpdate`;
      yield* nonNegativeIntOrPercent(rolling.maxUnavailable, `${path}.maxUnavailable`);
      yield* nonNegativeIntOrPercent(rolling.maxSurge, `${path}.maxSurge`);
      if (isZeroIntOrPercent(rolling.maxUnavailable) && isZeroIntOrPercent(rolling.maxSurge))
        yield invalidValue(
          `${path}.maxUnavailable`,
          rolling.maxUnavailable,
          'may not be 0 when `maxSurge` is 0',
        );
      yield* atMost100Percent(rolling.maxUnavailable, `${path}.maxUnavailable`);
      return;
    }
    default:
      yield notSupported(field, innerForm('apps.DeploymentStrategy', strategy), [
        'Recreate',
        'RollingUpdate',
      ]);
  }
}

interface OldDefaults {
  surge: number | string;
  history: number;
  deadlineSeconds: number;
}

function defaultOld(object: KubeObject, old: OldDefaults): void {
  selectorFromTemplate(object);
  const spec = (object as Deployment).spec;
  if (!spec) return;
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= old.surge;
    spec.strategy.rollingUpdate.maxSurge ??= old.surge;
  }
  spec.revisionHistoryLimit ??= old.history;
  spec.progressDeadlineSeconds ??= old.deadlineSeconds;
}

type WithRollback = Deployment & { spec: { rollbackTo?: { revision?: number } } };

function keepRollback(object: KubeObject): KubeObject {
  const deployment = object as WithRollback;
  const rollback = deployment.spec?.rollbackTo;
  if (!rollback) return object;
  deployment.metadata.annotations = {
    ...deployment.metadata.annotations,
    [rollbackAnnotation]: String(rollback.revision ?? 0),
  };
  delete deployment.spec.rollbackTo;
  return object;
}

function showRollback(object: KubeObject): KubeObject {
  const deployment = object as WithRollback;
  const revision = deployment.metadata.annotations?.[rollbackAnnotation];
  if (revision === undefined || !/^\d+$/.test(revision)) return object;
  const { [rollbackAnnotation]: _, ...annotations } = deployment.metadata.annotations!;
  deployment.metadata.annotations = annotations;
  deployment.spec.rollbackTo = { revision: Number(revision) };
  return object;
}
