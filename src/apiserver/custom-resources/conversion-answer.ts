/** Validates the answer of a conversion webhook, in upstream's words. */
import type { KubeObject } from '../../api/meta.ts';
import { validateLabels } from '../../api/validation/label-selector.ts';
import { validateAnnotations } from '../../api/validation/object-meta.ts';

export interface ConversionAnswer {
  apiVersion?: unknown;
  kind?: unknown;
  response?: {
    uid?: string;
    result?: { status?: string; message?: string };
    convertedObjects?: unknown[] | null;
  };
}

export interface Conversion {
  /** Of the review, as it was sent. */
  uid: string;
  reviewVersion: string;
  objects: readonly KubeObject[];
  /** That the objects are to have. */
  apiVersion: string;
}

/** The converted objects, or why they are none. */
export function convertedObjects(
  answer: ConversionAnswer,
  conversion: Conversion,
): { objects: KubeObject[] } | { error: string } {
  const { objects, apiVersion } = conversion;
  const refusal = whyRefused(answer, conversion);
  if (refusal) return { error: `failed: ${refusal}` };
  const converted = answer.response?.convertedObjects ?? [];
  if (converted.length !== objects.length)
    return { error: `returned ${converted.length} objects, expected ${objects.length}` };
  const isList = objects.length > 1;
  for (const [index, object] of objects.entries()) {
    const why = whyNotConverted(object, converted[index], apiVersion);
    if (why) return { error: `returned invalid ${isList ? inList(why, index) : alone(why)}` };
  }
  return { objects: converted as KubeObject[] };
}

function whyRefused(
  { kind = '', apiVersion = '', response }: ConversionAnswer,
  { uid, reviewVersion }: Conversion,
): string | undefined {
  const expected = `apiextensions.k8s.io/${reviewVersion}`;
  if (kind !== 'ConversionReview' || apiVersion !== expected) {
    const got = apiVersion === '' ? '/' : apiVersion;
    return `expected webhook response of ${expected}, Kind=ConversionReview, got ${got}, Kind=${kind}`;
  }
  if (!response) return 'no response provided';
  if (response.uid !== uid)
    return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`;
  const { status = '', message } = response.result ?? {};
  if (status === 'Success') return undefined;
  return message || `response.result.status was '${status}', not 'Success'`;
}

/**
 * `type`: the type that it claims to be; `identity`: that it is the same object; `metadata`: what it may change of
 * them.
 */
interface Fault {
  about: 'type' | 'identity' | 'metadata';
  message: string;
}

function alone({ about, message }: Fault): string {
  if (about === 'type') return `object at index 0: ${message}`;
  return `${about === 'metadata' ? 'metadata' : 'object'}: ${message}`;
}

function inList({ about, message }: Fault, index: number): string {
  return `${about === 'metadata' ? 'metadata in object' : 'converted object'} at index ${index}: ${message}`;
}

/** A webhook may change what a version is about, never which object it is. */
function whyNotConverted(original: KubeObject, converted: unknown, apiVersion: string): Fault | undefined {
  if (typeof converted !== 'object' || converted === null || Array.isArray(converted))
    return { about: 'type', message: 'it is no object' };
  const { kind, apiVersion: got, metadata } = converted as Partial<KubeObject>;
  if (got !== apiVersion)
    return { about: 'type', message: `invalid groupVersion (expected ${apiVersion}, received ${got ?? ''})` };
  if (kind !== original.kind)
    return { about: 'type', message: `invalid kind (expected ${original.kind}, received ${kind ?? ''})` };
  const meta = (typeof metadata === 'object' && metadata ? metadata : {}) as Partial<KubeObject['metadata']>;
  for (const field of ['name', 'namespace', 'uid'] as const) {
    const [before = '', after = ''] = [original.metadata[field], meta[field]];
    const called = field === 'uid' ? 'UID' : field;
    if (after !== before)
      return { about: 'identity', message: `must have the same ${called}: ${before} != ${after}` };
  }
  const wrong = wrongStrings('labels', meta.labels) ?? wrongStrings('annotations', meta.annotations);
  return wrong ? { about: 'metadata', message: wrong } : undefined;
}

function wrongStrings(field: 'labels' | 'annotations', values: unknown): string | undefined {
  if (values === undefined || values === null) return undefined;
  if (typeof values !== 'object' || Array.isArray(values))
    return `invalid metadata.${field} of type ${goTypeOf(values)} in converted object`;
  for (const [key, value] of Object.entries(values))
    if (typeof value !== 'string')
      return `metadata.${field}[${key}] must be a string, but is ${goTypeOf(value)} in converted object`;
  const strings = values as Record<string, string>;
  const check = field === 'labels' ? validateLabels : validateAnnotations;
  const messages = [...check(strings, `metadata.${field}`)].map(({ text }) => text);
  if (messages.length === 0) return undefined;
  return messages.length === 1 ? messages[0] : `[${messages.join(', ')}]`;
}

/** As Go calls what JSON may hold. */
function goTypeOf(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    default:
      return 'map[string]interface {}';
  }
}
