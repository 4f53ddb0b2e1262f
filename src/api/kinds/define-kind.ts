/**
 * Turns the little that a kind's file states into a whole {@link KindDefinition}: names come from the facts in
 * `data/names.json`, schema names follow from group and version, and whatever is left out gets the generic behaviour.
 */

import names from '../data/names.json' with { type: 'json' };
import type { KubeObject, ResourceType } from '../meta.ts';
import { nameAndCreation } from './columns.ts';
import type { KindDefinition, ServedVersion } from './kind.ts';

/** A served version: just its name when conversion is the identity, otherwise what differs. */
export type VersionFacts = string | (Partial<ServedVersion> & { version: string });

export type KindFacts<T extends KubeObject> = Partial<
  Omit<KindDefinition<T>, 'type' | 'versions' | 'singular' | 'shortNames' | 'categories'>
> & {
  versions?: readonly VersionFacts[];
};

/** Definitions outside `k8s.io/api`, and groups whose package is not the first part of the group's name. */
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

interface WithStatus extends KubeObject {
  spec?: unknown;
  status?: unknown;
}

/**
 * What kinds with a separate status do: neither way of writing touches the other's part. A kind may prepare an update
 * further, after its status has been kept; its own preparation of a status replaces this one.
 */
function separateStatus<T extends KubeObject>({ prepareUpdate, prepareStatusUpdate }: KindFacts<T>) {
  return {
    prepareUpdate(next: T & WithStatus, old: T & WithStatus, now: string) {
      if (old.status) next.status = old.status;
      prepareUpdate?.(next, old, now);
    },
    prepareStatusUpdate:
      prepareStatusUpdate ??
      ((next: WithStatus, old: WithStatus) => {
        next.spec = old.spec;
      }),
  };
}

export function defineKind<T extends KubeObject>(
  type: ResourceType<T>,
  facts: KindFacts<NoInfer<T>> = {},
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
    columns: nameAndCreation,
    versions: (versions ?? []).map((version) => servedVersion(type, version)),
    validate: noErrors,
    ...rest,
    ...(facts.status === 'separate' && separateStatus<T>(facts)),
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
