/** DaemonSets. */

import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { templateWarnings } from '../core/pod-spec/warnings.ts';
import {
  ageColumn,
  column,
  countColumn,
  formatLabels,
  formatSelector,
  nameColumn,
  podColumns,
  wideColumn,
} from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import { DaemonSet } from '../resources.gen.ts';
import type { DaemonSetSpec } from '../types/apps-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue, notSupportedInOrder, required } from '../validation/field-error.ts';
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

/** Counts the versions of the template; old versions have it as a field. */
const templateGenerationAnnotation = 'deprecated.daemonset.template.generation';

const statusCounts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
];

export const daemonSetKind = defineKind(DaemonSet, {
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    countColumn('Desired', (set) => set.status?.desiredNumberScheduled ?? 0),
    countColumn('Current', (set) => set.status?.currentNumberScheduled ?? 0),
    countColumn('Ready', (set) => set.status?.numberReady ?? 0),
    countColumn('Up-to-date', (set) => set.status?.updatedNumberScheduled ?? 0),
    countColumn('Available', (set) => set.status?.numberAvailable ?? 0),
    column('Node Selector', (set) => formatLabels(set.spec?.template?.spec?.nodeSelector)),
    ageColumn,
    ...podColumns<DaemonSet>((set) => set.spec?.template?.spec),
    wideColumn('Selector', (set) => formatSelector(set.spec?.selector)),
  ],
  defaults(set) {
    // Upstream's internal type has the number, so every writer of a set owns the annotation, whatever its value.
    if (set.metadata.annotations?.[templateGenerationAnnotation] === undefined)
      set.metadata.annotations = { ...set.metadata.annotations, [templateGenerationAnnotation]: '0' };
    const spec = set.spec;
    if (!spec) return;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
  },
  prepareCreate(set) {
    set.status = {
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
    };
    const generation = Number(set.metadata.annotations?.[templateGenerationAnnotation]);
    if (!(generation >= 1))
      set.metadata.annotations = { ...set.metadata.annotations, [templateGenerationAnnotation]: '1' };
  },
  prepareUpdate(set, old) {
    const generation = Number(old.metadata.annotations?.[templateGenerationAnnotation] ?? 0);
    const changed = !semanticEqual(set.spec?.template, old.spec?.template);
    set.metadata.annotations = {
      ...set.metadata.annotations,
      [templateGenerationAnnotation]: String(changed ? generation + 1 : generation),
    };
  },
  prepareStatusUpdate(set, old) {
    if (old.spec) set.spec = old.spec;
    const generation = old.metadata.annotations?.[templateGenerationAnnotation] ?? '0';
    set.metadata.annotations = { ...set.metadata.annotations, [templateGenerationAnnotation]: generation };
  },
  warnings: (set, old) =>
    templateWarnings(set, old, { template: ({ spec }) => spec?.template, field: 'spec.template' }),
  *validate(set, { subresource }) {
    if (subresource === 'status') yield* validateReplicaStatus(set.status, statusCounts);
    else yield* validateSpec(set.spec ?? {});
  },
  updateRulesFirst: true,
  *validateUpdate(set, old, context) {
    if (context.subresource === 'status') yield* validateCollisionCount(set.status, old.status);
    else yield* validateSelectorUpdate(set.spec?.selector, old.spec?.selector, context);
  },
  versions: [
    {
      version: 'v1beta2',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'apps/v1 DaemonSet' },
    },
    {
      group: 'extensions',
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      defaults(object) {
        selectorFromTemplate(object);
        const spec = (object as DaemonSet).spec;
        if (!spec) return;
        spec.updateStrategy ??= {};
        spec.updateStrategy.type ||= 'OnDelete';
      },
      toStored: keepTemplateGeneration,
      fromStored: showTemplateGeneration,
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 DaemonSet' },
    },
  ],
});

function* validateSpec(spec: Partial<DaemonSetSpec>): FieldErrors {
  yield* validateSelectorAndTemplate(spec, {
    selectorOwner: 'daemonset',
    deadlineOwner: 'DaemonSet',
    badSelector: undefined,
  });
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
  yield* validateStrategy(spec.updateStrategy ?? {}, 'spec.updateStrategy');
  yield* nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
}

function* validateStrategy(
  strategy: NonNullable<DaemonSetSpec['updateStrategy']>,
  field: string,
): FieldErrors {
  if (strategy.type === 'OnDelete') return;
  if (strategy.type !== 'RollingUpdate') {
    yield notSupportedInOrder(field, innerForm('apps.DaemonSetUpdateStrategy', strategy), [
      'RollingUpdate',
      'OnDelete',
    ]);
    return;
  }
  const rolling = strategy.rollingUpdate;
  if (!rolling) {
    yield required(`${field}.rollingUpdate`);
    return;
  }
  const path = `${field}.rollingUpdate`;
  yield* nonNegativeIntOrPercent(rolling.maxUnavailable, `${path}.maxUnavailable`);
  yield* nonNegativeIntOrPercent(rolling.maxSurge, `${path}.maxSurge`);
  yield* atMost100Percent(rolling.maxUnavailable, `${path}.maxUnavailable`);
  yield* atMost100Percent(rolling.maxSurge, `${path}.maxSurge`);
  const [noUnavailable, noSurge] = [
    isZeroIntOrPercent(rolling.maxUnavailable),
    isZeroIntOrPercent(rolling.maxSurge),
  ];
  if (noUnavailable && noSurge)
    yield invalidValue(`${path}.maxUnavailable`, rolling.maxUnavailable, 'cannot be 0');
  if (!noUnavailable && !noSurge)
    yield invalidValue(
      `${path}.maxSurge`,
      rolling.maxSurge,
      'may not be set when maxUnavailable is non-zero',
    );
}

type WithGeneration = DaemonSet & { spec: { templateGeneration?: number } };

function keepTemplateGeneration(object: KubeObject): KubeObject {
  const set = object as WithGeneration;
  if (set.spec?.templateGeneration === undefined) return object;
  set.metadata.annotations = {
    ...set.metadata.annotations,
    [templateGenerationAnnotation]: String(set.spec.templateGeneration),
  };
  delete set.spec.templateGeneration;
  return object;
}

function showTemplateGeneration(object: KubeObject): KubeObject {
  const set = object as WithGeneration;
  const generation = set.metadata.annotations?.[templateGenerationAnnotation];
  if (generation === undefined || !set.spec) return object;
  const { [templateGenerationAnnotation]: _, ...annotations } = set.metadata.annotations!;
  set.metadata.annotations = annotations;
  set.spec.templateGeneration = Number(generation);
  return object;
}
