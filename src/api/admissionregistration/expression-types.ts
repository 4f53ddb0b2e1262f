/** The types of what expressions of policies and webhooks speak of. */
import { bool, type CelType, dyn, int, listOf, mapOf, string } from '../cel/check/types.ts';

type Fields = Readonly<Record<string, CelType>>;

function objectOf(name: string, fields: Fields): CelType {
  return {
    kind: 'object',
    name,
    field: (field) => (Object.hasOwn(fields, field) ? fields[field] : undefined),
  };
}

const texts = (...names: string[]): Fields => Object.fromEntries(names.map((name) => [name, string]));
const kindOfVersion = objectOf('kubernetes.GroupVersionKind', texts('group', 'version', 'kind'));
const resourceOfVersion = objectOf('kubernetes.GroupVersionResource', texts('group', 'version', 'resource'));
const userInfo = objectOf('kubernetes.UserInfo', {
  ...texts('username', 'uid'),
  groups: listOf(string),
  extra: mapOf(string, listOf(string)),
});

const request = objectOf('kubernetes.AdmissionRequest', {
  ...texts('name', 'namespace', 'operation', 'subResource', 'requestSubResource'),
  kind: kindOfVersion,
  resource: resourceOfVersion,
  requestKind: kindOfVersion,
  requestResource: resourceOfVersion,
  userInfo,
  dryRun: bool,
  options: dyn,
});

const timestamp: CelType = { kind: 'timestamp' };
const namespaceObject = objectOf('kubernetes.Namespace', {
  metadata: objectOf('kubernetes.NamespaceMetadata', {
    ...texts('name', 'generateName', 'namespace', 'UID', 'resourceVersion'),
    labels: mapOf(string, string),
    annotations: mapOf(string, string),
    creationTimestamp: timestamp,
    deletionTimestamp: timestamp,
    deletionGracePeriodSeconds: int,
    generation: int,
    finalizers: listOf(string),
  }),
  spec: objectOf('kubernetes.NamespaceSpec', { finalizers: listOf(string) }),
  status: objectOf('kubernetes.NamespaceStatus', texts('phase')),
});

const authorizer = objectOf('kubernetes.authorization.Authorizer', {
  requestResource: { kind: 'opaque', name: 'kubernetes.authorization.ResourceCheck' },
});

/** What an expression may name. */
export interface ExpressionScope {
  hasParams: boolean;
  hasAuthorizer: boolean;
  /** Whether it may make objects and JSON patches: those of mutations may, others not. */
  hasPatchTypes?: boolean;
  /** The types of the objects that a policy is about, and of its parameters, where they are known. */
  object?: CelType;
  params?: CelType;
  /** Of a policy's own variables, so far; undefined where there are none. */
  variables?: ReadonlyMap<string, CelType>;
}

export function variableTypes({
  hasParams,
  hasAuthorizer,
  object = dyn,
  params = dyn,
  variables,
}: ExpressionScope): Map<string, CelType> {
  const types = new Map<string, CelType>([
    ['object', object],
    ['oldObject', object],
    ['request', request],
    ['namespaceObject', namespaceObject],
  ]);
  if (hasParams) types.set('params', params);
  if (hasAuthorizer) types.set('authorizer', authorizer);
  if (variables)
    types.set('variables', {
      kind: 'object',
      name: 'kubernetes.variables',
      field: (name) => variables.get(name),
    });
  return types;
}

const patchFields: Fields = { ...texts('op', 'path', 'from'), value: dyn };

/**
 * The types of `Object{…}`, `Object.spec{…}` and `JSONPatch{…}`. Whether an object's fields exist is determined when it
 * is merged.
 */
export function mutationObject(name: string): CelType | undefined {
  if (name === 'JSONPatch')
    return { kind: 'object', name, field: (field) => patchFields[field] ?? { kind: 'opaque', name: '' } };
  return /^Object(\.\w+)*$/.test(name) ? { kind: 'object', name, field: () => dyn } : undefined;
}
