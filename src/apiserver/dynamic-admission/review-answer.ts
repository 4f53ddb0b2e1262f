/** What a webhook answers, held against what was asked. */

import { JsonError, parseJson } from '../../api/schema/body/json.ts';
import { jsonTypeOf } from '../../api/schema/decode.ts';
import type { JsonPatchOperation } from '../../api/schema/patch/json-patch.ts';
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import type { AdmissionResponse } from './review.ts';
import { WebhookCallError } from './webhook-client.ts';

interface Asked {
  apiVersion: string;
  uid: string;
  isMutating: boolean;
}

interface Review {
  kind?: string;
  apiVersion?: string;
  response?: AdmissionResponse;
}

const reviewVersions = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

/** @throws WebhookCallError when it is no answer to the question */
export function readResponse(answer: unknown, asked: Asked): AdmissionResponse {
  const review = answer as Review;
  checkKind(review, asked);
  const { response } = review;
  const misfit = response && misfitOf(response);
  if (misfit) throw new WebhookCallError(`failed to call webhook: ${misfit}`);
  const invalid = (why: string) => new WebhookCallError(`received invalid webhook response: ${why}`);
  if (!response) throw invalid('webhook response was absent');
  if (response.uid !== asked.uid)
    throw invalid(
      `expected response.uid=${JSON.stringify(asked.uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    );
  const { patchType = null } = response;
  const [hasPatch, hasType] = [!!response.patch, patchType !== null];
  if (!asked.isMutating && hasPatch) throw invalid('validating webhook may not return response.patch');
  if (!asked.isMutating && hasType) throw invalid('validating webhook may not return response.patchType');
  // The older version's answers need not name their type.
  if (asked.apiVersion !== reviewVersions[0])
    return hasPatch ? { ...response, patchType: 'JSONPatch' } : response;
  if (hasPatch && !hasType) throw invalid('webhook returned response.patch but not response.patchType');
  if (hasType && !hasPatch) throw invalid('webhook returned response.patchType but not response.patch');
  if (patchType === '') throw invalid('webhook returned invalid response.patchType of ""');
  return response;
}

/** The operations of a JSON patch; none without a patch. @throws WebhookCallError when it cannot be read */
export function readPatch({ patch, patchType }: AdmissionResponse): readonly JsonPatchOperation[] {
  if (!patch) return [];
  const undecodable = (why: string) =>
    new WebhookCallError(`received undecodable patch in webhook response: ${why}`);
  const value = patchValue(Buffer.from(patch, 'base64').toString('utf8'), undecodable);
  // What Go writes for a list of no operations.
  if (value === null) return [];
  const unfitting = (what: unknown, type: string) =>
    undecodable(`json: cannot unmarshal ${jsonTypeOf(what)} into Go value of type jsonpatch.${type}`);
  if (!Array.isArray(value)) throw unfitting(value, 'Patch');
  // To Go, nothing is an operation of which nothing is said.
  const operations = value.map((item) => item ?? {});
  for (const item of operations) if (!isJsonObject(item)) throw unfitting(item, 'Operation');
  if (operations.length > 0 && patchType !== 'JSONPatch')
    throw new WebhookCallError(`unsupported patch type ${JSON.stringify(patchType)}`);
  return operations;
}

function patchValue(text: string, undecodable: (why: string) => WebhookCallError): unknown {
  try {
    return parseJson(text).value;
  } catch (error) {
    if (error instanceof JsonError) throw undecodable(error.message);
    throw error;
  }
}

type Form = 'string' | 'bool' | 'int32' | '[]string' | 'map[string]string';

/** The types of an answer's fields, on which the server relies. */
const forms: Readonly<Record<string, Form>> = {
  uid: 'string',
  allowed: 'bool',
  patch: 'string',
  patchType: 'string',
  warnings: '[]string',
  auditAnnotations: 'map[string]string',
};
const statusForms: Readonly<Record<string, Form>> = { code: 'int32', message: 'string', reason: 'string' };

/** The first field of another type, in Go's words. */
function misfitOf(response: AdmissionResponse): string | undefined {
  if (!isJsonObject(response)) return unfit('response', response, 'v1.AdmissionResponse');
  const { status = null } = response as { status?: unknown };
  if (status !== null && !isJsonObject(status)) return unfit('response.status', status, 'v1.Status');
  return (
    misfitAmong(response, forms, 'response') ?? misfitAmong(status ?? {}, statusForms, 'response.status')
  );
}

function misfitAmong(object: JsonObject, wanted: typeof forms, path: string): string | undefined {
  for (const [name, form] of Object.entries(wanted)) {
    const value = object[name];
    if (value !== undefined && value !== null && !hasForm(value, form))
      return unfit(`${path}.${name}`, value, form);
  }
  return undefined;
}

function hasForm(value: unknown, form: Form): boolean {
  switch (form) {
    case 'bool':
      return typeof value === 'boolean';
    case 'int32':
      return Number.isInteger(value) && (value as number) === ((value as number) | 0);
    case '[]string':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'map[string]string':
      return isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string');
    default:
      return typeof value === 'string';
  }
}

function unfit(field: string, value: unknown, type: string): string {
  const struct =
    field === 'response'
      ? 'AdmissionReview'
      : field.startsWith('response.status.')
        ? 'Status'
        : 'AdmissionResponse';
  return `json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field ${struct}.${field} of type ${type}`;
}

function checkKind({ kind, apiVersion }: Review, asked: Asked): void {
  // An answer in the older version that says nothing of itself is taken for one.
  if (!kind && !apiVersion) {
    if (asked.apiVersion !== reviewVersions[0]) return;
    throw new WebhookCallError(
      `received invalid webhook response: expected webhook response of ${asked.apiVersion}, Kind=AdmissionReview, got /, Kind=`,
    );
  }
  if (kind !== 'AdmissionReview' || !reviewVersions.includes(apiVersion ?? ''))
    throw new WebhookCallError(
      `failed to call webhook: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')} in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"`,
    );
  if (apiVersion === asked.apiVersion) return;
  const type = (version: string) => `${version.split('/').at(-1)}.AdmissionReview`;
  throw new WebhookCallError(
    `failed to call webhook: converting (${type(apiVersion!)}) to (${type(asked.apiVersion)}): unknown conversion`,
  );
}
