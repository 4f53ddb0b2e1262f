/** Whether two sets of labels are equal. */
import { type Labels, matchesLabels } from '../../api/selectors/label-selector.ts';

export function sameLabels(left: Labels, right: Labels): boolean {
  return left === right || (matchesLabels(left, right) && matchesLabels(right, left));
}
