/** The building blocks of `kubectl get` columns: name and age, durations, selectors, images. */

import type { KubeObject, LabelSelector } from '../meta.ts';
import { labelSelectorText } from '../selectors/label-selector.ts';
import type { PodSpec } from '../types/core-v1.gen.ts';
import type { CellContext, Column } from './kind.ts';

type Cell<T extends KubeObject> = (object: T, context: CellContext) => unknown;

/** The fields' own, as upstream describes the columns that show them. */
export const nameDescription =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
export const creationDescription =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: nameDescription,
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: creationDescription,
  cell: (object, { nowMs }) => ageSince(object.metadata.creationTimestamp, nowMs),
};

/** The columns of kinds that define none. */
export const nameAndCreation: readonly Column[] = [
  nameColumn,
  { name: 'Created At', type: 'date', cell: (object) => object.metadata.creationTimestamp },
];

/** A text column. */
export function column<T extends KubeObject>(name: string, cell: Cell<T>): Column<T> {
  return { name, type: 'string', cell };
}

/** A whole-number column. */
export function countColumn<T extends KubeObject>(name: string, cell: Cell<T>): Column<T> {
  return { name, type: 'integer', cell };
}

export function flagColumn<T extends KubeObject>(name: string, cell: Cell<T>): Column<T> {
  return { name, type: 'boolean', cell };
}

/** A text column that only `-o wide` shows. */
export function wideColumn<T extends KubeObject>(name: string, cell: Cell<T>): Column<T> {
  return { name, type: 'string', priority: 1, cell };
}

/** The wide columns of everything that makes pods from a template. */
export function podColumns<T extends KubeObject>(podSpecOf: (object: T) => PodSpec | undefined): Column<T>[] {
  return [
    wideColumn('Containers', (object) => containerFacts(podSpecOf(object), 'name')),
    wideColumn('Images', (object) => containerFacts(podSpecOf(object), 'image')),
  ];
}

function containerFacts(spec: PodSpec | undefined, fact: 'name' | 'image'): string {
  return (spec?.containers ?? []).map((container) => container[fact] ?? '').join(',');
}

/** How long ago, in its one or two most significant units, as kubectl prints ages. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 60 * 2) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 60 * 3) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (days < 8) return withRest(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return `${days}d`;
  const years = Math.trunc(days / 365);
  if (years < 8) return withRest(years, 'y', days % 365, 'd');
  return `${years}y`;
}

function withRest(value: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${value}${unit}` : `${value}${unit}${rest}${restUnit}`;
}

/** The time since an RFC 3339 stamp; `<unknown>` when there is none. */
export function ageSince(timestamp: string | undefined | null, nowMs: number): string {
  if (!timestamp) return '<unknown>';
  return humanDuration(nowMs - Date.parse(timestamp));
}

/** `a=b,c=d`, sorted; `<none>` when there are none. */
export function formatLabels(labels: Record<string, string> | undefined | null): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? '<none>' : pairs.sort().join(',');
}

/** A label selector as `kubectl get -l` would take it. */
export function formatSelector(selector: LabelSelector | undefined | null): string {
  const text = labelSelectorText(selector);
  if (text === undefined) return '<error>';
  return text || '<none>';
}

/** `True` and `False`, as Kubernetes prints flags in text columns. */
export function formatFlag(flag: boolean | undefined): string {
  return flag ? 'True' : 'False';
}
