/** Replication controllers: the oldest way to keep a number of pods. */
import { validateReplicaStatus } from '../apps/replica-rules.ts';
import {
  ageColumn,
  countColumn,
  formatLabels,
  nameColumn,
  podColumns,
  wideColumn,
} from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { replicasAsScale } from '../kinds/kind.ts';
import { ReplicationController } from '../resources.gen.ts';
import { matchesLabels } from '../selectors/label-selector.ts';
import { forbiddenField, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { nonNegative } from '../validation/fields.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { workloadWarnings } from './pod-spec/warnings.ts';

const statusCounts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'];

export const replicationControllerKind = defineKind(ReplicationController, {
  storagePrefix: 'controllers',
  status: 'separate',
  hasGeneration: true,
  defaultPropagation: 'orphan',
  scale: replicasAsScale,
  columns: [
    nameColumn,
    countColumn('Desired', (controller) => controller.spec?.replicas ?? 0),
    countColumn('Current', (controller) => controller.status?.replicas ?? 0),
    countColumn('Ready', (controller) => controller.status?.readyReplicas ?? 0),
    ageColumn,
    ...podColumns<ReplicationController>((controller) => controller.spec?.template?.spec),
    wideColumn('Selector', (controller) => formatLabels(controller.spec?.selector)),
  ],
  defaults(controller) {
    const spec = controller.spec;
    if (!spec) return;
    spec.replicas ??= 1;
    const labels = spec.template?.metadata?.labels;
    if (labels) {
      if (!hasKeys(spec.selector)) spec.selector = { ...labels };
      if (!hasKeys(controller.metadata.labels)) controller.metadata.labels = { ...labels };
    }
    defaultPodTemplate(spec.template);
  },
  prepareCreate(controller) {
    controller.status = { replicas: 0 };
  },
  warnings: (controller, old) =>
    workloadWarnings(controller, old, { template: ({ spec }) => spec?.template, field: 'spec.template' }),
  *validate(controller, { subresource }) {
    if (subresource === 'status') {
      yield* validateReplicaStatus(controller.status, statusCounts);
      return;
    }
    const spec = controller.spec ?? {};
    yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
    if (!hasKeys(spec.selector)) yield required('spec.selector');
    yield* nonNegative(spec.replicas, 'spec.replicas');
    const template = spec.template;
    if (!template) {
      yield required('spec.template');
      return;
    }
    if (hasKeys(spec.selector)) {
      if (!matchesLabels(spec.selector, template.metadata?.labels))
        yield invalidValue(
          'spec.template.metadata.labels',
          template.metadata?.labels ?? {},
          '`selector` does not match template `labels`',
        );
    }
    yield* validatePodTemplate(template, 'spec.template');
    if (template.spec?.restartPolicy !== 'Always')
      yield notSupported('spec.template.spec.restartPolicy', template.spec?.restartPolicy ?? '', ['Always']);
    if (template.spec?.activeDeadlineSeconds !== undefined)
      yield forbiddenField(
        'spec.template.spec.activeDeadlineSeconds',
        'activeDeadlineSeconds in ReplicationController is not Supported',
      );
  },
  selectableFields: (controller) => ({ 'status.replicas': String(controller.status?.replicas ?? 0) }),
});

function hasKeys(map: Record<string, string> | undefined): boolean {
  return map !== undefined && Object.keys(map).length > 0;
}
