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
  // The older version's answers need not name their type.
  if (!review.kind && !review.apiVersion && asked.apiVersion === reviewVersions[0])
    throw invalid(`expected webhook response of ${asked.apiVersion}, Kind=AdmissionReview, got /, Kind=`);
  const { patchType = null } = response;
  const [hasPatch, hasType] = [!!response.patch, patchType !== null];
  if (!asked.isMutating && hasPatch) throw invalid('validating webhook may not return response.patch');
  if (!asked.isMutating && hasType) throw invalid('validating webhook may not return response.patchType');
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

/** As Go's messages name the types of fields. */
type Form =
  | 'string'
  | 'bool'
  | 'int32'
  | '[]uint8'
  | '[]string'
  | 'map[string]string'
  | 'types.UID'
  | 'v1.PatchType'
  | 'v1.StatusReason'
  | 'v1.ListMeta'
  | 'v1.StatusDetails';

/** The types of an answer's fields, on which the server relies. */
const forms: Readonly<Record<string, Form>> = {
  uid: 'types.UID',
  allowed: 'bool',
  patch: '[]uint8',
  patchType: 'v1.PatchType',
  warnings: '[]string',
  auditAnnotations: 'map[string]string',
};
const statusForms: Readonly<Record<string, Form>> = {
  metadata: 'v1.ListMeta',
  code: 'int32',
  message: 'string',
  reason: 'v1.StatusReason',
  details: 'v1.StatusDetails',
};

/** The first field of another type, in Go's words. */
function misfitOf(response: AdmissionResponse): string | undefined {
  if (!isJsonObject(response)) return unfit('response', response, 'v1.AdmissionResponse');
  const { status = null } = response as { status?: unknown };
  if (status !== null && !isJsonObject(status)) return unfit('response.status', status, 'v1.Status');
  return (
    misfitAmong(response, forms, 'response') ??
    misfitAmong(status ?? {}, statusForms, 'response.status') ??
    misfitOfCauses(status ?? {}) ??
    misfitOfPatch(response)
  );
}

function misfitAmong(object: JsonObject, wanted: typeof forms, path: string): string | undefined {
  for (const [name, form] of Object.entries(wanted)) {
    const value = object[name];
    const misfit = value !== undefined && value !== null && misfitOfField(value, form);
    if (misfit) return unfit(`${path}.${name}`, misfit.value, misfit.form);
  }
  return undefined;
}

/** What does not fit: the value itself, or what it holds. */
function misfitOfField(value: unknown, form: Form): { value: unknown; form: string } | undefined {
  const isText = (item: unknown) => typeof item === 'string' || item === null;
  const held = (items: readonly unknown[]) => {
    const at = items.findIndex((item) => !isText(item));
    return at < 0 ? undefined : { value: items[at], form: 'string' };
  };
  switch (form) {
    case 'bool':
      return typeof value === 'boolean' ? undefined : { value, form };
    case 'int32':
      return Number.isInteger(value) && value === ((value as number) | 0) ? undefined : { value, form };
    case '[]string':
      return Array.isArray(value) ? held(value) : { value, form };
    case 'map[string]string':
      return isJsonObject(value) ? held(Object.values(value)) : { value, form };
    case 'v1.ListMeta':
    case 'v1.StatusDetails':
      return isJsonObject(value) ? undefined : { value, form };
    default:
      return typeof value === 'string' ? undefined : { value, form };
  }
}

function misfitOfCauses({ details }: JsonObject): string | undefined {
  const { causes = null } = (details ?? {}) as { causes?: unknown };
  if (causes === null || Array.isArray(causes)) return undefined;
  return unfit('response.status.details.causes', causes, '[]v1.StatusCause');
}

function misfitOfPatch({ patch }: AdmissionResponse): string | undefined {
  const at = patch ? badBase64At(patch) : undefined;
  return at === undefined ? undefined : `illegal base64 data at input byte ${at}`;
}

/** Where Go's decoder stops; undefined for what it takes. */
function badBase64At(text: string): number | undefined {
  const bare = text.replaceAll(/[\r\n]/g, '');
  const foreign = /[^A-Za-z0-9+/]/.exec(bare.replace(/={1,2}$/, ''));
  if (foreign) return foreign.index;
  return bare.length % 4 === 0 ? undefined : bare.replace(/=+$/, '').length;
}

const structs: readonly [prefix: string, struct: string][] = [
  ['response.status.details.', 'StatusDetails'],
  ['response.status.', 'Status'],
  ['response.', 'AdmissionResponse'],
  ['response', 'AdmissionReview'],
];

function unfit(field: string, value: unknown, type: string): string {
  const struct = structs.find(([prefix]) => field.startsWith(prefix))![1];
  const what = type === 'int32' && typeof value === 'number' ? `number ${value}` : jsonTypeOf(value);
  return `json: cannot unmarshal ${what} into Go struct field ${struct}.${field} of type ${type}`;
}

/** An answer that says nothing of itself is looked at further. */
function checkKind({ kind, apiVersion }: Review, asked: Asked): void {
  if (!kind && !apiVersion) return;
  const isStatus = kind === 'Status' && apiVersion === 'v1';
  if (!isStatus && (kind !== 'AdmissionReview' || !reviewVersions.includes(apiVersion ?? '')))
    throw new WebhookCallError(
      `failed to call webhook: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')} in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"`,
    );
  if (apiVersion === asked.apiVersion) return;
  const type = (version: string) => version.split('/').at(-1);
  throw new WebhookCallError(
    `failed to call webhook: converting (${type(apiVersion!)}.${kind}) to (${type(asked.apiVersion)}.AdmissionReview): unknown conversion`,
  );
}
