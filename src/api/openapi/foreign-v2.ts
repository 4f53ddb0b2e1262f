/**
 * OpenAPI 2 documents of other servers: reduced to what is asked of those servers, and put into the one document that
 * clients read.
 */
import { isDeepStrictEqual } from 'node:util';
import { definitionsAt, parametersAt } from './references.ts';
import type { JsonSchema } from './source.ts';

type Members = Record<string, JsonSchema>;

const definitionPrefix = definitionsAt.v2;
const kindsKey = 'x-kubernetes-group-version-kind';

/** The document without other paths, and without the definitions that only those refer to. */
export function onlyPaths(document: JsonSchema, isKept: (path: string) => boolean): JsonSchema {
  const paths = membersOf(document.paths);
  const kept = { ...document, paths: pick(paths, isKept) };
  const before = definitionsIn(document);
  const after = definitionsIn(kept);
  const definitions = pick(membersOf(document.definitions), (name) => after.has(name) || !before.has(name));
  return { ...kept, definitions };
}

/**
 * `document` with what `other` has besides. Of a path that both have, `document`'s counts; definitions and parameters
 * of one name that differ are kept both, the other's under a new name.
 */
export function mergeDocuments(document: JsonSchema, other: JsonSchema): JsonSchema {
  const paths = membersOf(document.paths);
  const isNew = (path: string) => !Object.hasOwn(paths, path);
  const otherPaths = Object.keys(membersOf(other.paths));
  if (!otherPaths.some(isNew)) return document;
  const fresh = otherPaths.every(isNew) ? other : onlyPaths(other, isNew);
  const definitions = membersOf(document.definitions);
  const parameters = membersOf(document.parameters);
  const renamed = withNewNames(
    fresh,
    newNames(definitions, membersOf(fresh.definitions), sameButForKinds),
    newNames(parameters, membersOf(fresh.parameters), isDeepStrictEqual),
  );
  const allParameters = { ...membersOf(renamed.parameters), ...parameters };
  return {
    ...document,
    paths: { ...paths, ...membersOf(renamed.paths) },
    definitions: mergeDefinitions(definitions, membersOf(renamed.definitions)),
    ...(Object.keys(allParameters).length > 0 && { parameters: allParameters }),
  };
}

function membersOf(value: unknown): Members {
  return (value ?? {}) as Members;
}

function pick(members: Members, isKept: (name: string) => boolean): Members {
  return Object.fromEntries(Object.entries(members).filter(([name]) => isKept(name)));
}

/** Of definitions, those that anything in the document refers to. */
function definitionsIn(document: JsonSchema): Set<string> {
  const names = new Set<string>();
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    const { $ref } = value as JsonSchema;
    if (typeof $ref === 'string' && $ref.startsWith(definitionPrefix))
      names.add($ref.slice(definitionPrefix.length));
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(document);
  return names;
}

/** What members must be called that are not those which have their name already. */
function newNames(
  taken: Members,
  given: Members,
  isSame: (left: JsonSchema, right: JsonSchema) => boolean,
): Map<string, string> {
  const names = new Map<string, string>();
  const used = new Set([...Object.keys(taken), ...Object.keys(given)]);
  for (const [name, member] of Object.entries(given)) {
    if (!Object.hasOwn(taken, name) || isSame(taken[name]!, member)) continue;
    let count = 2;
    let next = `${name}_v${count}`;
    while (used.has(next) && !(Object.hasOwn(taken, next) && isSame(taken[next]!, member)))
      next = `${name}_v${++count}`;
    names.set(name, next);
    used.add(next);
  }
  return names;
}

function withNewNames(
  document: JsonSchema,
  definitions: ReadonlyMap<string, string>,
  parameters: ReadonlyMap<string, string>,
): JsonSchema {
  if (definitions.size === 0 && parameters.size === 0) return document;
  const refs = new Map<unknown, string>();
  for (const [name, next] of definitions) refs.set(definitionPrefix + name, definitionPrefix + next);
  for (const [name, next] of parameters) refs.set(parametersAt + name, parametersAt + next);
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        key === '$ref' ? (refs.get(inner) ?? inner) : walk(inner),
      ]),
    );
  };
  const named = (members: unknown, names: ReadonlyMap<string, string>) =>
    Object.fromEntries(
      Object.entries(membersOf(members)).map(([name, member]) => [names.get(name) ?? name, member]),
    );
  const out = walk(document) as JsonSchema;
  return {
    ...out,
    definitions: named(out.definitions, definitions),
    parameters: named(out.parameters, parameters),
  };
}

/** One definition may be that of several kinds (the options of a delete are): it names those of both documents. */
function mergeDefinitions(own: Members, others: Members): Members {
  const out = new Map(Object.entries(own));
  for (const [name, other] of Object.entries(others)) {
    const present = out.get(name);
    const kinds = present && mergeKinds(present[kindsKey], other[kindsKey]);
    out.set(name, present ? { ...present, ...(kinds !== undefined && { [kindsKey]: kinds }) } : other);
  }
  return Object.fromEntries(out);
}

function mergeKinds(own: unknown, others: unknown): unknown[] | undefined {
  if (!Array.isArray(own) || !Array.isArray(others)) return [own, others].find(Array.isArray);
  const textOf = ({ group, version, kind }: Record<string, unknown>) => `${group}/${version}.${kind}`;
  const known = new Set(own.map(textOf));
  const added = others.filter((kind) => !known.has(textOf(kind)));
  if (added.length === 0) return own;
  return [...own, ...added].sort((left, right) => (textOf(left) < textOf(right) ? -1 : 1));
}

function sameButForKinds(left: JsonSchema, right: JsonSchema): boolean {
  const { [kindsKey]: _left, ...one } = left;
  const { [kindsKey]: _right, ...other } = right;
  return isDeepStrictEqual(one, other);
}
