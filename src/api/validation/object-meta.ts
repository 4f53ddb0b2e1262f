/** Validation of the metadata that every object has. */

import type { ObjectMeta, OwnerReference } from '../meta.ts';
import { foregroundFinalizer, orphanFinalizer } from '../well-known.ts';
import { innerForm } from './error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, required, tooLong } from './field-error.ts';
import { type Errors, immutable, invalidFor, nameRule } from './fields.ts';
import { validateLabels } from './label-selector.ts';
import { dnsLabelProblems, qualifiedNameProblems, subdomainProblems } from './names.ts';

const annotationsSizeMaxBytes = 256 * 1024;

export interface ObjectMetaRules {
  namespaced: boolean;
  /** The kind's own rule; a DNS subdomain when absent. */
  validateName?: ((name: string, field: string) => Iterable<Errors[number]>) | undefined;
  /** True for custom resources and their definitions: elsewhere a finalizer is a standard one or has a domain. */
  anyFinalizers?: boolean;
}

/** The default rule for names. */
export const validateSubdomainName = nameRule(subdomainProblems);

export function* validateObjectMeta(
  meta: Partial<ObjectMeta>,
  rules: ObjectMetaRules,
  field = 'metadata',
): FieldErrors {
  const validateName = rules.validateName ?? validateSubdomainName;
  if (meta.generateName)
    // A generated name continues after the prefix, so a dash at its end does no harm.
    yield* validateName(meta.generateName.replace(/-$/, 'a'), `${field}.generateName`);
  if (!meta.name) yield required(`${field}.name`, 'name or generateName is required');
  else yield* validateName(meta.name, `${field}.name`);
  if (rules.namespaced) {
    if (!meta.namespace) yield required(`${field}.namespace`);
    else yield* invalidFor(`${field}.namespace`, meta.namespace, dnsLabelProblems(meta.namespace));
  } else if (meta.namespace) yield forbiddenField(`${field}.namespace`, 'not allowed on this type');
  if (meta.generation !== undefined && meta.generation < 0)
    yield invalidValue(`${field}.generation`, meta.generation, 'must be greater than or equal to 0');
  yield* validateLabels(meta.labels, `${field}.labels`);
  yield* validateAnnotations(meta.annotations, `${field}.annotations`);
  yield* validateOwnerReferences(meta.ownerReferences, `${field}.ownerReferences`);
  yield* validateFinalizers(meta.finalizers, rules, `${field}.finalizers`);
}

export function* validateAnnotations(
  annotations: Record<string, string> | undefined,
  field: string,
): FieldErrors {
  let sizeBytes = 0;
  for (const key in annotations) {
    yield* invalidFor(field, key, qualifiedNameProblems(key.toLowerCase()));
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (sizeBytes > annotationsSizeMaxBytes) yield tooLong(field, annotationsSizeMaxBytes);
}

/** The identity of an object created from a template; spelled as upstream does. */
const notOfTemplates = [
  ['name', 'name'],
  ['generateName', 'generateName'],
  ['namespace', 'namespace'],
  ['selfLink', 'selfLink'],
  ['uid', 'uID'],
  ['resourceVersion', 'resourceVersion'],
  ['generation', 'generation'],
  ['creationTimestamp', 'creationTimestamp'],
  ['deletionTimestamp', 'deletionTimestamp'],
  ['deletionGracePeriodSeconds', 'deletionGracePeriodSeconds'],
  ['ownerReferences', 'ownerReferences'],
  ['finalizers', 'finalizers'],
  ['managedFields', 'managedFields'],
] as const;

/** For the metadata within a template: annotations and labels only. */
export function* validateTemplateMeta(meta: Partial<ObjectMeta> = {}, field: string): FieldErrors {
  yield* validateAnnotations(meta.annotations, `${field}.annotations`);
  yield* validateLabels(meta.labels, `${field}.labels`);
  for (const [name, shown] of notOfTemplates) {
    const value = (meta as Record<string, unknown>)[name];
    if (value !== undefined && value !== null && value !== '' && value !== 0)
      yield forbiddenField(`${field}.${shown}`, 'cannot be set');
  }
}

function* validateOwnerReferences(owners: OwnerReference[] | undefined, field: string): FieldErrors {
  let controller: OwnerReference | undefined;
  for (const owner of owners ?? []) {
    const { apiVersion = '', kind = '', name = '', uid = '' } = owner;
    if (apiVersion === '' || apiVersion.split('/').length > 2 || apiVersion.endsWith('/'))
      yield invalidValue(`${field}.apiVersion`, apiVersion, 'version must not be empty');
    for (const [part, value] of Object.entries({ kind, name, uid }))
      if (value === '') yield invalidValue(`${field}.${part}`, value, 'must not be empty');
    if (apiVersion === 'v1' && kind === 'Event')
      yield invalidValue(
        field,
        innerForm('meta.OwnerReference', owner),
        '/v1, Kind=Event is disallowed from being an owner',
      );
    if (!owner.controller) continue;
    if (controller)
      yield invalidValue(
        field,
        innerForm('[]meta.OwnerReference', owners),
        `Only one reference can have Controller set to true. Found "true" in references for ${controller.kind}/${controller.name} and ${owner.kind}/${owner.name}`,
      );
    controller ??= owner;
  }
}

const standardFinalizers = new Set(['kubernetes', orphanFinalizer, foregroundFinalizer]);

export function* validateFinalizers(
  finalizers: string[] | undefined,
  { anyFinalizers }: { anyFinalizers?: boolean },
  field: string,
): FieldErrors {
  if (!finalizers) return;
  for (const [index, finalizer] of finalizers.entries()) {
    yield* invalidFor(field, finalizer, qualifiedNameProblems(finalizer));
    if (!anyFinalizers && !finalizer.includes('/') && !standardFinalizers.has(finalizer))
      yield invalidValue(
        `${field}[${index}]`,
        finalizer,
        'name is neither a standard finalizer name nor is it fully qualified',
      );
  }
  if (finalizers.includes(orphanFinalizer) && finalizers.includes(foregroundFinalizer))
    yield invalidValue(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
}

/** Custom resources may have any: `added` ones that others may use as well are warned of. */
export function* finalizerWarnings(
  { finalizers }: Partial<ObjectMeta>,
  old: Partial<ObjectMeta> | undefined,
): Iterable<string> {
  const before = new Set(old?.finalizers);
  for (const name of [...new Set(finalizers)].filter((finalizer) => !before.has(finalizer)).sort()) {
    const shown = `metadata.finalizers: ${JSON.stringify(name)}`;
    for (const problem of qualifiedNameProblems(name)) yield `${shown}: ${problem}`;
    if (name.includes('/') || standardFinalizers.has(name)) continue;
    const how = name.includes('.') ? ' including a path (/)' : '';
    yield `${shown}: prefer a domain-qualified finalizer name${how} to avoid accidental conflicts with other finalizer writers`;
  }
}

const immutableNames = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

/** What an update may not change, once the server has filled in what clients may omit, and what it may contain. */
export function* validateObjectMetaUpdate(
  meta: Partial<ObjectMeta>,
  old: Partial<ObjectMeta>,
  field = 'metadata',
): FieldErrors {
  if (old.deletionTimestamp) {
    const before = new Set(old.finalizers);
    const added = (meta.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
    if (added.length > 0)
      yield forbiddenField(
        `${field}.finalizers`,
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`,
      );
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0))
    yield invalidValue(`${field}.generation`, meta.generation ?? 0, 'must not be decremented');
  for (const name of immutableNames)
    if (meta[name] !== old[name]) yield* immutable(meta[name], old[name], `${field}.${name}`);
  yield* validateLabels(meta.labels, `${field}.labels`);
  yield* validateAnnotations(meta.annotations, `${field}.annotations`);
  yield* validateOwnerReferences(meta.ownerReferences, `${field}.ownerReferences`);
}
