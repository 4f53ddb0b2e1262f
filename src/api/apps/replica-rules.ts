/** Rules that all kinds of the apps group share: selectors and templates that fit, counts that are counts. */

import { validatePodTemplate, validateTemplateMetadata } from '../core/pod-spec/validate.ts';
import type { ValidationContext } from '../kinds/kind.ts';
import type { KubeObject, LabelSelector } from '../meta.ts';
import { isEmptySelector, matchesLabelSelector } from '../selectors/label-selector.ts';
import type { PodTemplateSpec } from '../types/core-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { immutable, nonNegative } from '../validation/fields.ts';
import { isCompilable, validateLabelSelector } from '../validation/label-selector.ts';

interface Templated {
  selector?: LabelSelector | undefined;
  template?: PodTemplateSpec | undefined;
}

/** Words that upstream's messages use for a kind. */
export interface TemplateOwner {
  /** In `empty selector is invalid for …`. */
  selectorOwner: string;
  /** In `activeDeadlineSeconds in … is not Supported`. */
  deadlineOwner: string;
  /** False when the pods were invalid before: that must not block other changes. */
  validatesPodSpec?: boolean;
  /** True when labels and annotations of the template are validated a second time. */
  repeatsMetadata?: boolean;
  /** How an invalid selector is reported, and whether one is required; upstream's DaemonSets are lenient. */
  badSelector: string | undefined;
}

/** The selector is present, selects something, and selects the template's own pods; the pods run forever. */
export function* validateSelectorAndTemplate(spec: Templated, owner: TemplateOwner): FieldErrors {
  const { selector, template } = spec;
  if (!selector) {
    if (owner.badSelector !== undefined) yield required('spec.selector');
  } else {
    yield* validateLabelSelector(selector, 'spec.selector');
    if (isEmptySelector(selector))
      yield invalidValue(
        'spec.selector',
        innerForm('meta.LabelSelector', selector),
        `empty selector is invalid for ${owner.selectorOwner}`,
      );
    if (!isCompilable(selector) && owner.badSelector !== undefined) {
      yield invalidValue('spec.selector', innerForm('meta.LabelSelector', selector), owner.badSelector);
      return;
    }
  }
  if (
    (!selector || (!isEmptySelector(selector) && isCompilable(selector))) &&
    !matchesLabelSelector(selector, template?.metadata?.labels)
  )
    yield invalidValue(
      'spec.template.metadata.labels',
      innerForm('map string', template?.metadata?.labels),
      '`selector` does not match template `labels`',
    );
  if (owner.validatesPodSpec !== false) yield* validatePodTemplate(template, 'spec.template');
  if (owner.repeatsMetadata) yield* validateTemplateMetadata(template, 'spec.template');
  if (template?.spec?.restartPolicy && template.spec.restartPolicy !== 'Always')
    yield notSupported('spec.template.spec.restartPolicy', template.spec.restartPolicy, ['Always']);
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    yield forbiddenField(
      'spec.template.spec.activeDeadlineSeconds',
      `activeDeadlineSeconds in ${owner.deadlineOwner} is not Supported`,
    );
}

const otherCounts = ['terminatingReplicas', 'observedGeneration', 'collisionCount'];

/**
 * Counts of a status: none is negative, none of the `parts` is more than `replicas`. (A DaemonSet has no whole; its
 * counts are all given as parts.)
 */
export function* validateReplicaStatus(status: object | undefined, parts: readonly string[]): FieldErrors {
  if (!status) return;
  const counts = status as Record<string, number | undefined>;
  for (const name of ['replicas', ...parts, 'unavailableReplicas', ...otherCounts])
    yield* nonNegative(counts[name], `status.${name}`);
  const { replicas = 0, availableReplicas = 0, readyReplicas = 0 } = counts;
  if (parts.includes('desiredNumberScheduled')) return;
  for (const name of parts)
    if ((counts[name] ?? 0) > replicas)
      yield invalidValue(`status.${name}`, counts[name] ?? 0, 'cannot be greater than status.replicas');
  if (availableReplicas > readyReplicas)
    yield invalidValue(
      'status.availableReplicas',
      availableReplicas,
      `cannot be greater than ${wholeOf(parts)}readyReplicas`,
    );
}

interface Collided {
  collisionCount?: number | undefined;
}

/** How often a name was taken only grows: names are made of it, and those of lower counts are taken still. */
export function* validateCollisionCount(
  { collisionCount }: Collided = {},
  { collisionCount: before }: Collided = {},
): FieldErrors {
  if (before === undefined || (collisionCount !== undefined && collisionCount >= before)) return;
  yield invalidValue('status.collisionCount', collisionCount ?? 0, 'cannot be decremented');
}

/** For a StatefulSet, which alone counts pods of the current revision, upstream's message names the status as well. */
function wholeOf(parts: readonly string[]): string {
  return parts.includes('currentReplicas') ? 'status.' : '';
}

/** The first versions allow changes of an object's selector, by which its pods may lose their owner. */
const versionsWithMutableSelector = new Set(['extensions/v1beta1', 'apps/v1beta1']);

export function* validateSelectorUpdate(
  selector: LabelSelector | undefined,
  old: LabelSelector | undefined,
  { apiVersion = '' }: ValidationContext,
): FieldErrors {
  if (!versionsWithMutableSelector.has(apiVersion))
    yield* immutable(selector, old, 'spec.selector', 'meta.LabelSelector');
}

/** In old versions selector and labels are optional: both default to those of the template. */
export function selectorFromTemplate(object: KubeObject): void {
  const spec = (object as KubeObject & { spec?: Templated }).spec;
  const labels = spec?.template?.metadata?.labels;
  if (!spec || !labels) return;
  spec.selector ??= { matchLabels: { ...labels } };
  if (Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels };
}
