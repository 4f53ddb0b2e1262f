/** The part of a resource that a request's path and selectors choose. */
import { asKubeObject } from '../../api/schema/decode.ts';
import {
  type ParsedFieldSelector,
  parseFieldSelector,
  parseLabelSelector,
} from '../../api/selectors/selectors.ts';
import { badRequest } from '../../api/status.ts';
import type { CachedObject, FieldValues } from '../watch-cache/cached-object.ts';
import type { Selection } from '../watch-cache/selection.ts';
import { viewOf } from './conversion/conversion.ts';
import type { ServedResource } from './kind-registry.ts';
import { storageKey } from './registry.ts';

export interface SelectionQuery {
  namespace: string;
  /** Of a watch on one object; empty otherwise. */
  name: string;
  labelSelector: string;
  fieldSelector: string;
}

/** @throws StatusError 400 when a selector cannot be read or names a field that the kind does not offer */
export function selectionOf(resource: ServedResource, query: SelectionQuery): Selection {
  const { namespace, name, labelSelector, fieldSelector } = query;
  const keyPrefix = resource.namespaced && namespace ? `${namespace}/` : '';
  const checks: ((object: CachedObject) => boolean)[] = [];
  if (name) {
    const key = storageKey(resource, namespace, name);
    checks.push((object) => object.key === key);
  }
  const labels = labelSelector ? parseLabelSelector(labelSelector) : undefined;
  if (labels && !labels.empty) checks.push((object) => labels.matches(object.object.metadata.labels));
  const fields = fieldSelector ? parseFieldSelector(fieldSelector) : undefined;
  let late: Selection['late'];
  if (fields && !fields.empty) {
    checkFields(resource, fields);
    const check = fieldCheck(resource, fields);
    if (resource.converter && !hasOnlyNames(fields)) late = check;
    else checks.push(check);
  }
  const id = JSON.stringify([resource.apiVersion, keyPrefix, name, labelSelector, fieldSelector]);
  const matches =
    checks.length < 2 ? checks[0] : (object: CachedObject) => checks.every((check) => check(object));
  return { id, keyPrefix, matches, ...(late && { late }) };
}

/** A selection whose objects have been converted: no late choice remains. */
export function completed({ late, matches, ...rest }: Selection): Selection {
  if (!late) return { ...rest, matches };
  return { ...rest, matches: (object) => (matches?.(object) ?? true) && late(object) };
}

function hasOnlyNames({ terms }: ParsedFieldSelector): boolean {
  return terms.every(({ field }) => field === 'metadata.name' || field === 'metadata.namespace');
}

/** Names need no decoding: the key has them. */
function fieldCheck(
  resource: ServedResource,
  fields: ParsedFieldSelector,
): (object: CachedObject) => boolean {
  if (!hasOnlyNames(fields))
    return (object) => fields.matches(object.fieldsFor(resource, () => fieldValues(resource, object)));
  return ({ key }) => {
    const slash = key.indexOf('/');
    return fields.matches({
      'metadata.name': key.slice(slash + 1),
      'metadata.namespace': slash < 0 ? '' : key.slice(0, slash),
    });
  };
}

function fieldValues(resource: ServedResource, object: CachedObject): FieldValues {
  const { served, definition, converter } = resource;
  const { name, namespace = '' } = object.object.metadata;
  const own = served?.selectableFields
    ? served.selectableFields(viewOf(resource, object))
    : definition.selectableFields?.(converter ? viewOf(resource, object) : object.object);
  return { 'metadata.name': name, 'metadata.namespace': namespace, ...own };
}

/** Its fields are those that a kind offers. */
const nothing = asKubeObject({ metadata: { name: '', uid: '' }, spec: {}, status: {} });

function checkFields(resource: ServedResource, fields: ParsedFieldSelector): void {
  const { served, definition } = resource;
  const own = served?.selectableFields?.(nothing) ?? definition.selectableFields?.(nothing) ?? {};
  for (const { field } of fields.terms)
    if (field !== 'metadata.name' && field !== 'metadata.namespace' && !Object.hasOwn(own, field))
      throw badRequest(unknownField(resource, field));
}

/** Kinds whose fields upstream names in its own way each; the rest share one sentence. */
const ownSentence = new Set([
  'events',
  'namespaces',
  'nodes',
  'pods',
  'replicationcontrollers',
  'secrets',
  'certificates.k8s.io/certificatesigningrequests',
  'certificates.k8s.io/clustertrustbundles',
  'certificates.k8s.io/podcertificaterequests',
]);

function unknownField(resource: ServedResource, field: string): string {
  const { apiVersion, definition, isCustom } = resource;
  const { type } = definition;
  if (isCustom) return `field label not supported: ${field}`;
  const name = type.group ? `${type.group}/${type.plural}` : type.plural;
  if (name === 'batch/jobs') return `field label ${JSON.stringify(field)} not supported for batchv1.Job`;
  if (name === 'resource.k8s.io/resourceslices')
    return `field label not supported for ${apiVersion}, Kind=ResourceSlice: ${field}`;
  if (name === 'batch/cronjobs' && apiVersion !== 'batch/v1')
    return `field label ${JSON.stringify(field)} not supported for "CronJob"`;
  if (ownSentence.has(name)) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}
