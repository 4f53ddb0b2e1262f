/**
 * Turns the little that a kind's file states into a whole {@link KindDefinition}: names come from the facts in
 * `data/names.json`, schema names follow from group and version, and whatever is left out gets the generic behaviour.
 */
import names from './data/names.json' with { type: 'json' };
import type { CellContext, Column, KindDefinition, ServedVersion } from './kind.ts';
import type { KubeObject, ResourceType } from './meta.ts';

/** A served version: just its name when it converts by identity, else what differs. */
export type VersionFacts = string | (Partial<ServedVersion> & { version: string });

export type KindFacts<T extends KubeObject> = Partial<
  Omit<KindDefinition<T>, 'type' | 'versions' | 'singular' | 'shortNames' | 'categories'>
> & {
  versions?: readonly VersionFacts[];
};

/** Definitions outside `k8s.io/api`, and groups whose package is not the group's first word. */
const schemaPackages: Record<string, string> = {
  '': 'io.k8s.api.core',
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  'internal.apiserver.k8s.io': 'io.k8s.api.apiserverinternal',
};

/** The name of a built-in kind's definition in the schema facts. */
export function schemaNameOf(group: string, version: string, kind: string): string {
  const root = schemaPackages[group] ?? `io.k8s.api.${group.split('.')[0]}`;
  return `${root}.${version}.${kind}`;
}

const identity = (object: KubeObject): KubeObject => object;

export function defineKind<T extends KubeObject>(
  type: ResourceType<T>,
  facts: KindFacts<T> = {},
): KindDefinition<T> {
  const { versions, ...rest } = facts;
  const byKind = (names as Record<string, Record<string, string>>)[type.group];
  const [, , shortNames = '-', categories = ''] = byKind?.[type.kind]?.split(' ') ?? [];
  return {
    type,
    schema: schemaNameOf(type.group, type.version, type.kind),
    singular: type.kind.toLowerCase(),
    shortNames: shortNames === '-' ? [] : shortNames.split(','),
    categories: categories ? categories.split(',') : [],
    status: 'none',
    columns: nameAndAge as readonly Column<T>[],
    versions: (versions ?? []).map((version) => servedVersion(type, version)),
    validate: noErrors,
    ...rest,
  };
}

function servedVersion(type: ResourceType, facts: VersionFacts): ServedVersion {
  const given = typeof facts === 'string' ? { version: facts } : facts;
  const group = given.group ?? type.group;
  return {
    toStored: identity,
    fromStored: identity,
    ...given,
    group,
    schema: given.schema ?? schemaNameOf(group, given.version, given.kind ?? type.kind),
  };
}

function* noErrors(): Generator<never, void, undefined> {
  // A kind without rules of its own: its schema says all there is.
}

/** How long ago, in the two most significant units, as `kubectl get` prints ages. */
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
  if (hours < 24 * 8) return withRest(days, 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.trunc(hours / 24 / 365);
  if (hours < 24 * 365 * 8) return withRest(years, 'y', days % 365, 'd');
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

/** Descriptions that many columns share. */
const nameDescription =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow ' +
  'a client to request the generation of an appropriate name automatically. Name is primarily intended for creation ' +
  'idempotence and configuration definition. Cannot be updated. More info: ' +
  'https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const ageDescription =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed ' +
  'to be set in happens-before order across separate operations. Clients may not set this value. It is represented ' +
  'in RFC3339 form and is in UTC.';

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
  description: ageDescription,
  cell: (object, { nowMs }) => ageSince(object.metadata.creationTimestamp, nowMs),
};

const nameAndAge: readonly Column[] = [
  nameColumn,
  { ...ageColumn, name: 'Created At', type: 'date', cell: (object) => object.metadata.creationTimestamp },
];

type Cell<T extends KubeObject> = (object: T, context: CellContext) => unknown;

/** A text column of `kubectl get`. */
export function column<T extends KubeObject>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'string', description, cell };
}

/** A whole-number column. */
export function countColumn<T extends KubeObject>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'integer', description, cell };
}

/** A text column that only `-o wide` shows. */
export function wideColumn<T extends KubeObject>(name: string, cell: Cell<T>, description = ''): Column<T> {
  return { name, type: 'string', description, priority: 1, cell };
}
