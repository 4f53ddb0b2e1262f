/** ReplicaSets. */

import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { workloadWarnings } from '../core/pod-spec/warnings.ts';
import {
  ageColumn,
  countColumn,
  formatSelector,
  nameColumn,
  podColumns,
  wideColumn,
} from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { replicasAsScale } from '../kinds/kind.ts';
import { ReplicaSet } from '../resources.gen.ts';
import { nonNegative } from '../validation/fields.ts';
import {
  selectorFromTemplate,
  validateReplicaStatus,
  validateSelectorAndTemplate,
  validateSelectorUpdate,
} from './replica-rules.ts';

const statusCounts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'];

export const replicaSetKind = defineKind(ReplicaSet, {
  status: 'separate',
  hasGeneration: true,
  scale: replicasAsScale,
  columns: [
    nameColumn,
    countColumn('Desired', (set) => set.spec?.replicas ?? 0),
    countColumn('Current', (set) => set.status?.replicas ?? 0),
    countColumn('Ready', (set) => set.status?.readyReplicas ?? 0),
    ageColumn,
    ...podColumns<ReplicaSet>((set) => set.spec?.template?.spec),
    wideColumn('Selector', (set) => formatSelector(set.spec?.selector)),
  ],
  defaults(set) {
    if (!set.spec) return;
    set.spec.replicas ??= 1;
    defaultPodTemplate(set.spec.template);
  },
  prepareCreate(set) {
    set.status = { replicas: 0 };
  },
  warnings: (set, old) =>
    workloadWarnings(set, old, { template: ({ spec }) => spec?.template, field: 'spec.template' }),
  *validate(set, { subresource }) {
    if (subresource === 'status') {
      yield* validateReplicaStatus(set.status, statusCounts);
      return;
    }
    yield* nonNegative(set.spec?.replicas, 'spec.replicas');
    yield* nonNegative(set.spec?.minReadySeconds, 'spec.minReadySeconds');
    yield* validateSelectorAndTemplate(set.spec ?? {}, {
      badSelector: 'invalid label selector',
      selectorOwner: 'deployment',
      deadlineOwner: 'ReplicaSet',
    });
  },
  *validateUpdate(set, old, context) {
    if (context.subresource !== 'status')
      yield* validateSelectorUpdate(set.spec?.selector, old.spec?.selector, context);
  },
  selectableFields: (set) => ({ 'status.replicas': String(set.status?.replicas ?? 0) }),
  versions: [
    {
      version: 'v1beta2',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'apps/v1 ReplicaSet' },
    },
    {
      group: 'extensions',
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      defaults: selectorFromTemplate,
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 ReplicaSet' },
    },
  ],
});
