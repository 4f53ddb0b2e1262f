/** Label selectors as objects carry them (`matchLabels`, `matchExpressions`), compiled to predicates. */
import type { LabelSelector } from '../meta.ts';

export type Labels = Record<string, string>;
export type LabelPredicate = (labels: Labels | undefined) => boolean;

const matchNothing: LabelPredicate = () => false;
const matchEverything: LabelPredicate = () => true;
const noLabels: Labels = {};

/**
 * An absent selector matches nothing, an empty one everything: upstream's LabelSelectorAsSelector.
 * An operator that does not exist matches nothing.
 */
export function compileLabelSelector(selector: LabelSelector | undefined): LabelPredicate {
  if (!selector) return matchNothing;
  const checks: LabelPredicate[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    checks.push((labels) => labels?.[key] === value);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? [])
    checks.push(compileRequirement(key, operator, values));
  if (checks.length === 0) return matchEverything;
  if (checks.length === 1) return checks[0]!;
  return (labels) => checks.every((check) => check(labels));
}

/** Without any requirement, or absent. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return (
    !selector ||
    (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0)
  );
}

/** For a single match; compile the selector when it is used repeatedly. */
export function matchesLabelSelector(
  selector: LabelSelector | undefined,
  labels: Labels | undefined,
): boolean {
  return compileLabelSelector(selector)(labels);
}

const operatorWords: Record<string, string> = { In: 'in', NotIn: 'notin' };

/**
 * The selector as the `labelSelector` parameter and `kubectl get -l` take it, sorted by key: empty when it has no
 * requirement, undefined when an operator does not exist.
 */
export function labelSelectorText(selector: LabelSelector | undefined | null): string | undefined {
  const requirements = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({
    key,
    text: `${key}=${value}`,
  }));
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    const word = Object.hasOwn(operatorWords, operator) ? operatorWords[operator] : undefined;
    if (word) requirements.push({ key, text: `${key} ${word} (${[...(values ?? [])].sort().join(',')})` });
    else if (operator === 'Exists') requirements.push({ key, text: key });
    else if (operator === 'DoesNotExist') requirements.push({ key, text: `!${key}` });
    else return undefined;
  }
  return requirements
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ text }) => text)
    .join(',');
}

/** Whether `labels` has every pair of a plain map selector (Services, ReplicationControllers, node selectors). */
export function matchesLabels(selector: Labels | undefined, labels: Labels | undefined): boolean {
  for (const key in selector) if (labels?.[key] !== selector[key]) return false;
  return true;
}

/**
 * One requirement. `NotIn` and `DoesNotExist` match when the label is absent. `Gt` and `Lt` (node selectors only)
 * compare whole numbers, and match only when both sides are such.
 */
export function compileRequirement(key: string, operator: string, values: readonly string[]): LabelPredicate {
  switch (operator) {
    case 'In': {
      const wanted = new Set(values);
      return (labels) => {
        const value = (labels ?? noLabels)[key];
        return wanted.has(value as string);
      };
    }
    case 'NotIn': {
      const unwanted = new Set(values);
      return (labels) => {
        const value = (labels ?? noLabels)[key];
        return !unwanted.has(value as string);
      };
    }
    case 'Exists':
      return (labels) => typeof (labels ?? noLabels)[key] === 'string';
    case 'DoesNotExist':
      return (labels) => typeof (labels ?? noLabels)[key] !== 'string';
    case 'Gt':
    case 'Lt': {
      const bound = wholeNumber(values[0]);
      if (bound === undefined) return matchNothing;
      return (labels) => {
        const value = wholeNumber((labels ?? noLabels)[key]);
        return value !== undefined && (operator === 'Gt' ? value > bound : value < bound);
      };
    }
    default:
      return matchNothing;
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  return typeof text === 'string' && /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
}
