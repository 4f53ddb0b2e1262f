/** Labels combined with the namespace of their pod into one string each, by which the pod index finds pods. */

import type { LabelSelector } from '../../api/meta.ts';
import type { Labels } from '../../api/selectors/label-selector.ts';

/** What a selector requires in this namespace: one string for each label that must have a certain value. */
export function requiredLabels(namespace: string, selector: LabelSelector | undefined): string[] {
  const required = namespacedLabels(namespace, selector?.matchLabels);
  for (const { key, operator, values } of selector?.matchExpressions ?? [])
    if (operator === 'In' && values?.length === 1) required.push(namespacedLabel(namespace, key, values[0]!));
  return required;
}

export function namespacedLabels(namespace: string, labels: Labels | undefined): string[] {
  return Object.entries(labels ?? {}).map(([key, value]) => namespacedLabel(namespace, key, value));
}

function namespacedLabel(namespace: string, key: string, value: string): string {
  return `${namespace}/${key}=${value}`;
}
