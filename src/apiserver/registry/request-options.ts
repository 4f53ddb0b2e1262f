/** What requests contain besides their path: the body's object, and the options in the query. */

import type { KubeObject } from '../../api/meta.ts';
import type { FieldValidation } from '../../api/schema/body/body.ts';
import { badRequest, invalid } from '../../api/status.ts';
import { type FieldError, invalidValue, notSupported, tooLong } from '../../api/validation/field-error.ts';
import { inStep } from '../../base/async/turns.ts';
import type { RequestContext } from '../request.ts';
import { decodeAs, readParsedBody, toStoredVersion } from './conversion/codec.ts';
import { converting } from './conversion/version-converter.ts';
import type { ServedResource } from './kind-registry.ts';
import type { WriteRequest } from './registry.ts';

/** The object of the body, decoded, defaulted and in the stored version. */
export async function readObject(context: RequestContext, resource: ServedResource): Promise<KubeObject> {
  const { request, warnings } = context;
  const parsed = await inStep(context, () => readParsedBody(request, resource));
  const validation = fieldValidationOf(context);
  const object = await inStep(context, () => decodeAs(resource, parsed, validation, warnings));
  const stored = await inStep(context, () => converting(() => toStoredVersion(resource, object)));
  if (context.annotations) context.requestObject = auditedObject(resource, parsed.value, stored);
  return stored;
}

/** Before it is changed: with its defaults, or unconverted when it came in another version. */
function auditedObject(
  { served, kind, apiVersion }: ServedResource,
  body: object,
  stored: KubeObject,
): object {
  return served ? { kind, apiVersion, ...body } : structuredClone(stored);
}

/** How errors name the options of a verb. */
const optionsKinds: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
  deletecollection: 'DeleteOptions',
};

const fieldValidations = new Set(['Ignore', 'Warn', 'Strict']);

/** `Warn` unless the client says otherwise, as upstream. */
export function fieldValidationOf({ info, request }: RequestContext): FieldValidation {
  const asked = request.query.get('fieldValidation');
  if (!asked) return request.localBody ? 'Ignore' : 'Warn';
  if (fieldValidations.has(asked)) return asked as FieldValidation;
  throw invalid({ group: 'meta.k8s.io', kind: optionsKinds[info.verb] ?? 'CreateOptions' }, '', [
    notSupported('fieldValidation', asked, ['', ...fieldValidations]),
  ]);
}

/** What the writing verbs read from the path and the query. */
export function writeRequest(context: RequestContext, resource: ServedResource): WriteRequest {
  const { info, request, user, warnings, waited, deadlineMs, annotations, nextStep, turns } = context;
  return {
    verb: info.verb,
    resource,
    namespace: info.namespace,
    name: info.name,
    subresource: info.subresource,
    user,
    dryRun: isDryRun(request.query.getAll('dryRun'), optionsKinds[info.verb] ?? 'CreateOptions'),
    fieldManager: fieldManagerOf(context),
    options: optionsOf(request.query),
    warnings,
    waited,
    deadlineMs,
    annotations,
    nextStep,
    turns,
  };
}

/** As the client gave them. */
function optionsOf(query: URLSearchParams): Record<string, unknown> {
  const dryRun = query.getAll('dryRun');
  const [fieldManager, fieldValidation] = [query.get('fieldManager'), query.get('fieldValidation')];
  return {
    ...(dryRun.length > 0 && { dryRun }),
    ...(fieldManager && { fieldManager }),
    ...(fieldValidation && { fieldValidation }),
  };
}

/** The client's object must be the one that its path names. @throws StatusError 400 */
export function checkIdentity(
  { resource, name: expected, namespace: where }: WriteRequest,
  { metadata }: KubeObject,
): void {
  const { name, namespace } = metadata;
  if (!name)
    throw badRequest(
      `the name of the object (${expected} based on URL) was undeterminable: name must be provided`,
    );
  if (name !== expected)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${expected})`);
  if (resource.namespaced && namespace && namespace !== where)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

const fieldManagerLengthMax = 128;

/** Names that were found good: a few clients make nearly all requests. */
const goodManagers = new Set<string>();
const goodManagersMax = 1_000;

/** A delete has none, whatever its query says. @throws StatusError 422 */
function fieldManagerOf({ info, request }: RequestContext): string {
  const isDelete = info.verb === 'delete' || info.verb === 'deletecollection';
  const manager = (!isDelete && request.query.get('fieldManager')) || '';
  if (manager === '') return managerOf(request.header('user-agent') ?? '');
  if (goodManagers.has(manager)) return manager;
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > fieldManagerLengthMax)
    errors.push(tooLong('fieldManager', fieldManagerLengthMax));
  const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(manager);
  if (unprintable) {
    const code = unprintable[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    const at = Buffer.byteLength(manager.slice(0, unprintable.index));
    errors.push(invalidValue('fieldManager', manager, `invalid character U+${code} (at position ${at})`));
  }
  if (errors.length > 0)
    throw invalid({ group: 'meta.k8s.io', kind: optionsKinds[info.verb] ?? 'CreateOptions' }, '', errors);
  if (goodManagers.size >= goodManagersMax) goodManagers.clear();
  goodManagers.add(manager);
  return manager;
}

/** Without a field manager, the client's program name is used. */
function managerOf(userAgent: string): string {
  return userAgent.split('/', 1)[0]!.slice(0, 128) || 'unknown';
}

export function isDryRun(values: readonly string[], optionsKind: string): boolean {
  if (values.length === 0) return false;
  if (values.every((value) => value === 'All')) return true;
  throw invalid({ group: 'meta.k8s.io', kind: optionsKind }, '', [notSupported('dryRun', values, ['All'])]);
}

/** @throws StatusError 400 when it is no number */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (BigInt.asIntN(64, BigInt(text)) !== BigInt(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  return Number(text);
}
