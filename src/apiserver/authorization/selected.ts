/** What a list, watch or deletecollection is restricted to by its selectors, in the form that authorizers use. */
import { type LabelOperator, parseFieldSelector, parseLabelSelector } from '../../api/selectors/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { ResourceAttributes } from '../../api/types/authorization-v1.gen.ts';
import type { RequestInfo } from '../request.ts';

export interface SelectorRequirement {
  key: string;
  /** Of fields only `In` and `NotIn`, with one value. */
  operator: LabelOperator;
  values: readonly string[];
}

/** All of them apply to whatever is selected. What could not be parsed is left out, which only widens the question. */
export interface Selected {
  fields: readonly SelectorRequirement[];
  labels: readonly SelectorRequirement[];
}

const nothing: readonly SelectorRequirement[] = [];
const selectingVerbs: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** Read once, when needed. Undefined where a request selects nothing. */
export function selectedBy({ verb }: RequestInfo, query: URLSearchParams): (() => Selected) | undefined {
  if (!selectingVerbs.has(verb)) return undefined;
  const [fields, labels] = [query.get('fieldSelector'), query.get('labelSelector')];
  if (!fields && !labels) return undefined;
  let selected: Selected | undefined;
  return () => {
    selected ??= {
      fields: readable(() => fieldRequirements(fields ?? '')) ?? nothing,
      labels: readable(() => labelRequirements(labels ?? '')) ?? nothing,
    };
    return selected;
  };
}

interface ReviewedSelector {
  rawSelector?: string;
  requirements?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** What an access review asks about, and what of it could not be parsed, in upstream's words. */
export function selectedInReview({ fieldSelector, labelSelector }: ResourceAttributes): {
  selected: Selected;
  unread: string[];
} {
  const unread: string[] = [];
  const read = (name: string, selector: ReviewedSelector = {}, { ofText, isKnown }: SelectorKind) => {
    const { requirements = [], rawSelector = '' } = selector;
    const given = requirements.map((each) => ({ values: [], ...each }) as SelectorRequirement);
    const known = given.length > 0 ? given.filter(isKnown) : readable(() => ofText(rawSelector));
    if (!known || known.length < given.length)
      unread.push(
        `spec.resourceAttributes.${name} ${known?.length ? 'partially ' : ''}ignored due to parse error`,
      );
    return known ?? nothing;
  };
  const fields = read('fieldSelector', fieldSelector, ofFields);
  const labels = read('labelSelector', labelSelector, ofLabels);
  return { selected: { fields, labels }, unread };
}

interface SelectorKind {
  ofText(text: string): readonly SelectorRequirement[];
  isKnown(requirement: SelectorRequirement): boolean;
}

const labelOperators: ReadonlySet<string> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist']);

/** Fields are compared with one value each. */
const ofFields: SelectorKind = {
  ofText: fieldRequirements,
  isKnown: ({ operator, values }) => (operator === 'In' || operator === 'NotIn') && values.length === 1,
};

const ofLabels: SelectorKind = {
  ofText: labelRequirements,
  isKnown: ({ operator }) => labelOperators.has(operator),
};

function fieldRequirements(text: string): SelectorRequirement[] {
  return parseFieldSelector(text).terms.map(({ field, equals, value }) => ({
    key: field,
    operator: equals ? 'In' : 'NotIn',
    values: [value],
  }));
}

function labelRequirements(text: string): readonly SelectorRequirement[] {
  return parseLabelSelector(text).requirements;
}

function readable(read: () => readonly SelectorRequirement[]): readonly SelectorRequirement[] | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}
