/** Checks the kind and version that a body states against those of the request's path. */

import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { apiVersionOf, parseApiVersion } from '../../meta.ts';
import { badRequest, invalid } from '../../status.ts';
import { invalidValue } from '../../validation/field-error.ts';
import { jsonTypeOf } from '../decode.ts';
import { rawSchema, schemaNames } from '../schemas.ts';

/** The kind of the request's path, in the version of the path. */
export interface ExpectedKind {
  group: string;
  version: string;
  kind: string;
}

/** Why the type of what should be an object cannot even be read; undefined when it can. */
export function unreadableType(value: unknown): string | undefined {
  if (!isJsonObject(value))
    return `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
  const { apiVersion, kind } = value;
  for (const [name, value] of Object.entries({ apiVersion, kind })) {
    if (value === undefined || value === null || typeof value === 'string') continue;
    return `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field .${name} of type string`;
  }
  if (typeof apiVersion === 'string' && apiVersion.split('/').length > 2)
    return `unexpected GroupVersion string: ${apiVersion}`;
  return undefined;
}

/**
 * Checks that an object says it is what the path expects; what it does not say is assumed.
 * @throws {StatusError} 400
 */
export function checkKind(object: JsonObject, expected: ExpectedKind): void {
  const wanted = apiVersionOf(expected);
  const apiVersion = typeof object.apiVersion === 'string' && object.apiVersion ? object.apiVersion : wanted;
  const kind = typeof object.kind === 'string' && object.kind ? object.kind : expected.kind;
  if (apiVersion === wanted && kind === expected.kind) return;
  const { version } = parseApiVersion(apiVersion);
  const problem = otherKind(apiVersion, kind, expected);
  if (problem)
    throw badRequest(`${kind} in version "${version}" cannot be handled as a ${expected.kind}: ${problem}`);
  throw badRequest(
    `the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`,
  );
}

/** Why an object cannot be one of the expected kind in any version; undefined when it is one. */
export function otherKind(apiVersion: string, kind: string, expected: ExpectedKind): string | undefined {
  const scheme = schemeOf(expected.group);
  const { version } = parseApiVersion(apiVersion);
  if (!scheme.knows(apiVersion, kind))
    return `no kind "${kind}" is registered for version "${apiVersion}" in scheme "${scheme.place}"`;
  if (kind === expected.kind) return undefined;
  return `converting (${version}.${kind}) to (${internalPackage(expected)}.${expected.kind}): unknown conversion`;
}

/** The same for the body of a custom resource, which must state both. @throws {StatusError} 400, 422 */
export function checkCustomBody(object: JsonObject, expected: ExpectedKind): void {
  const wanted = apiVersionOf(expected);
  const apiVersion = typeof object.apiVersion === 'string' ? object.apiVersion : '';
  if (apiVersion !== wanted)
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`,
    );
  checkCustomKind(object, expected);
}

/** The kind of a custom resource never changes. @throws {StatusError} 422 */
export function checkCustomKind({ apiVersion, kind, metadata }: JsonObject, expected: ExpectedKind): void {
  const wanted = apiVersionOf(expected);
  const errors = [
    ...(kind === expected.kind ? [] : [invalidValue('kind', kind, `must be ${expected.kind}`)]),
    ...(apiVersion === wanted ? [] : [invalidValue('apiVersion', apiVersion, `must be ${wanted}`)]),
  ];
  if (errors.length === 0) return;
  const { group } = parseApiVersion(typeof apiVersion === 'string' ? apiVersion : '');
  const { name } = (isJsonObject(metadata) ? metadata : {}) as { name?: string };
  throw invalid({ group, kind: typeof kind === 'string' ? kind : '' }, name ?? '', errors);
}

/** Upstream combines three servers, each of which knows only its own kinds. */
interface Scheme {
  /** As answers name it. */
  place: string;
  knows(apiVersion: string, kind: string): boolean;
}

const separateServers: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io': 'k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55',
  'apiregistration.k8s.io': 'k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28',
};

function schemeOf(group: string): Scheme {
  const own = separateServers[group];
  return {
    place: own ?? 'pkg/api/legacyscheme/scheme.go:30',
    knows(apiVersion, kind) {
      const { group: asked } = parseApiVersion(apiVersion);
      const isHere = own ? asked === group : !(asked in separateServers);
      return isHere && knownKinds().has(`${apiVersion}/${kind}`);
    },
  };
}

let known: ReadonlySet<string> | undefined;

/** `apiVersion/kind` of every definition among the schema facts that is a kind. */
function knownKinds(): ReadonlySet<string> {
  if (known) return known;
  const found = new Set<string>();
  for (const name of schemaNames())
    for (const kind of rawSchema(name)?.['x-kubernetes-group-version-kind'] ?? [])
      found.add(`${apiVersionOf(kind)}/${kind.kind}`);
  known = found;
  return found;
}

/** The name of the package of upstream's own form of a kind, which its answers name. */
function internalPackage({ group }: ExpectedKind): string {
  if (group === '' || group === 'events.k8s.io') return 'core';
  return group.split('.', 1)[0]!;
}
