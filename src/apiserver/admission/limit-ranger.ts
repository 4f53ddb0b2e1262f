/** LimitRanger: fills in a namespace's default requests and limits, and refuses what is outside of its bounds. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
} from '../../api/quantities/quantity.ts';
import { LimitRange, PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { forbidden } from '../../api/status.ts';
import type { LimitRangeItem } from '../../api/types/core-v1.gen.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from './admission.ts';
import { isPodResize, isPodWrite, isWriteOf } from './writes.ts';

type Container = NonNullable<Pod['spec']>['containers'][number];
type Amounts = Record<string, string>;

const annotation = 'kubernetes.io/limit-ranger';

export function limitRanger(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'LimitRanger',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(Pod), writesOf(Pod, 'resize'), writesOf(PersistentVolumeClaim)],
    mutate(attributes) {
      if (!isPodWrite(attributes, 'CREATE') && !isPodResize(attributes)) return;
      for (const { spec } of objects.list(LimitRange, attributes.request.namespace))
        for (const item of spec?.limits ?? [])
          if (item.type === 'Container') fillDefaults(attributes.object as Pod, item);
    },
    validate(attributes) {
      const isClaim = isWriteOf(attributes, PersistentVolumeClaim, 'CREATE', 'UPDATE');
      if (!isClaim && !isPodWrite(attributes, 'CREATE') && !isPodResize(attributes)) return;
      // Finalizers go from what is outside of the bounds, too.
      if (attributes.old?.metadata.deletionTimestamp) return;
      for (const { spec } of objects.list(LimitRange, attributes.request.namespace)) {
        const problems = (spec?.limits ?? []).flatMap((item) =>
          isClaim
            ? [...claimProblems(attributes.object as PersistentVolumeClaim, item)]
            : [...podProblems(attributes.object as Pod, item)],
        );
        if (problems.length > 0) throw refusal(attributes, problems);
      }
    },
  };
}

function refusal({ request, object }: AdmissionAttributes, problems: readonly string[]) {
  const name = object?.metadata.name || request.name;
  // Of several containers the same may be wrong.
  const distinct = [...new Set(problems)];
  const why = distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`;
  return forbidden(request.resource.definition.type, name, why);
}

/** What was filled in is recorded in an annotation. */
function fillDefaults(pod: Pod, item: LimitRangeItem): void {
  const notes: string[] = [];
  const fill = (container: Container, what: string) => {
    for (const [which, defaults] of [
      ['requests', item.defaultRequest],
      ['limits', item.default],
    ] as const) {
      const given = container.resources?.[which] ?? {};
      const missing = Object.keys(defaults ?? {})
        .filter((name) => given[name] === undefined)
        .sort();
      if (missing.length === 0) continue;
      const filled: Amounts = { ...given };
      for (const name of missing) filled[name] = defaults![name]!;
      container.resources = { ...container.resources, [which]: filled };
      notes.push(`${missing.join(', ')} ${which.slice(0, -1)} for ${what} ${container.name}`);
    }
  };
  for (const container of pod.spec?.containers ?? []) fill(container, 'container');
  for (const container of pod.spec?.initContainers ?? []) fill(container, 'init container');
  if (notes.length === 0) return;
  const text = `LimitRanger plugin set: ${notes.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: text };
}

function* podProblems({ spec }: Pod, item: LimitRangeItem): Generator<string> {
  const containers = spec?.containers ?? [];
  const initContainers = spec?.initContainers ?? [];
  if (item.type === 'Container')
    for (const { resources } of [...containers, ...initContainers])
      yield* boundProblems(item, resources?.requests ?? {}, resources?.limits ?? {});
  if (item.type === 'Pod') {
    const total = (which: 'requests' | 'limits') =>
      spec?.resources?.[which]
        ? { ...podAmounts(containers, initContainers, which), ...spec.resources[which] }
        : podAmounts(containers, initContainers, which);
    yield* boundProblems(item, total('requests'), total('limits'));
  }
}

/** All containers together, or the largest of the init containers where that is more. */
function podAmounts(
  containers: readonly Container[],
  initContainers: readonly Container[],
  which: 'requests' | 'limits',
): Amounts {
  const totals = new Map<string, Quantity>();
  const listOf = ({ resources }: Container) => Object.entries(resources?.[which] ?? {});
  for (const container of [...containers, ...initContainers.filter(isSidecar)])
    for (const [name, text] of listOf(container)) {
      const known = totals.get(name);
      const amount = parseQuantity(text);
      totals.set(name, known ? addQuantities(known, amount) : amount);
    }
  for (const container of initContainers.filter((one) => !isSidecar(one)))
    for (const [name, text] of listOf(container)) {
      const known = totals.get(name);
      const amount = parseQuantity(text);
      if (!known || compareQuantities(amount, known) > 0) totals.set(name, amount);
    }
  return Object.fromEntries([...totals].map(([name, amount]) => [name, formatQuantity(amount)]));
}

function* claimProblems({ spec }: PersistentVolumeClaim, item: LimitRangeItem): Generator<string> {
  if (item.type !== 'PersistentVolumeClaim') return;
  const request = { what: 'request' as const, amounts: spec?.resources?.requests ?? {} };
  yield* outOfBound(item, 'minimum', [request]);
  yield* outOfBound(item, 'maximum', [request]);
}

function* boundProblems(item: LimitRangeItem, requests: Amounts, limits: Amounts): Generator<string> {
  const request = { what: 'request' as const, amounts: requests };
  const limit = { what: 'limit' as const, amounts: limits };
  yield* outOfBound(item, 'minimum', [request, limit]);
  yield* outOfBound(item, 'maximum', [limit, request]);
  for (const [name, bound] of sorted(item.maxLimitRequestRatio))
    yield* ratioProblems(
      `${name} max limit to request ratio per ${item.type} is ${bound}`,
      bound,
      requests[name],
      limits[name],
    );
}

interface Given {
  what: 'request' | 'limit';
  amounts: Amounts;
}

/** The first of what may be given has to be; when several are out of bounds, the first of them is named. */
function* outOfBound(
  { type, min, max }: LimitRangeItem,
  which: 'minimum' | 'maximum',
  given: readonly [needed: Given, ...Given[]],
): Generator<string> {
  const isMinimum = which === 'minimum';
  for (const [name, bound] of sorted(isMinimum ? min : max)) {
    const rule = `${which} ${name} usage per ${type} is ${bound}`;
    const isOut = ({ amounts: { [name]: amount } }: Given) =>
      amount !== undefined && (isMinimum ? isLess(amount, bound) : isLess(bound, amount));
    const [needed] = given;
    const out = given.find(isOut);
    if (needed.amounts[name] === undefined) yield `${rule}.  No ${needed.what} is specified`;
    else if (out) yield `${rule}, but ${out.what} is ${shown(out.amounts[name]!)}`;
  }
}

function* ratioProblems(
  rule: string,
  bound: string,
  request: string | undefined,
  limit: string | undefined,
): Generator<string> {
  const asNumber = (text: string | undefined) => (text === undefined ? 0 : Number(parseQuantity(text).nanos));
  if (asNumber(request) === 0) yield `${rule}, but no request is specified or request is 0`;
  else if (asNumber(limit) === 0) yield `${rule}, but no limit is specified or limit is 0`;
  else {
    const ratio = asNumber(limit) / asNumber(request);
    if (ratio > asNumber(bound) / 1e9) yield `${rule}, but provided ratio is ${ratio.toFixed(6)}`;
  }
}

function sorted(amounts: Amounts | undefined): [name: string, text: string][] {
  return Object.entries(amounts ?? {})
    .map(([name, text]): [string, string] => [name, shown(text)])
    .sort(([left], [right]) => (left < right ? -1 : 1));
}

function isLess(left: string, right: string): boolean {
  return compareQuantities(parseQuantity(left), parseQuantity(right)) < 0;
}

function shown(text: string): string {
  return formatQuantity(parseQuantity(text));
}
