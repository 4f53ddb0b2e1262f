/** The selector of any kind with a scale, as the text that queries carry. */

import type { LabelSelector } from '../../api/meta.ts';
import { labelSelectorText } from '../../api/selectors/label-selector.ts';

/** Of a LabelSelector, or of a plain map of labels (replication controllers). */
export function selectorText(selector: unknown): string {
  if (typeof selector !== 'object' || selector === null) return '';
  const isStructured = 'matchLabels' in selector || 'matchExpressions' in selector;
  return labelSelectorText((isStructured ? selector : { matchLabels: selector }) as LabelSelector) ?? '';
}
