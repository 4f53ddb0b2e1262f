/** From an answer in semantic form to bytes in the format that was asked for. */

import type { KubeObject } from '../../../api/meta.ts';
import {
  canEncode,
  encodeMessage,
  encodeObject as encodeProtobuf,
  encodeList as encodeProtobufList,
  encodeWatchFrame,
} from '../../../api/protobuf/envelope.ts';
import { formatYaml } from '../../../api/schema/body/yaml-writer.ts';
import { asJsonObject, asKubeObject } from '../../../api/schema/decode.ts';
import type { JsonObject } from '../../../base/json-object.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';
import { jsonLineOf, jsonOf, viewOf } from '../../registry/conversion/conversion.ts';
import { yamlOfJson } from '../../registry/conversion/long-yaml.ts';
import type { ServedResource } from '../../registry/kind-registry.ts';
import { type ApiResponse, objectOf, type ServedObject } from '../../request.ts';
import {
  columnsOf,
  type IncludeObject,
  partialMetadata,
  type TableOptions,
  tableOf,
  tableWith,
} from '../../tables/table.ts';
import { CachedObject } from '../../watch-cache/cached-object.ts';
import type { WatchedEvent } from '../../watch-cache/selection.ts';
import { contentTypes, type OutputFormat } from './negotiate.ts';

export interface EncodeContext {
  format: OutputFormat;
  /** `includeObject` of the query; for tables. */
  includeObject: IncludeObject;
  nowMs: number;
}

export interface Encoded {
  contentType: string;
  body: Buffer;
}

export type ListResponse = Extract<ApiResponse, { type: 'list' }>;

/** What `encode` makes. YAML is made out of its JSON, and long YAML while others are served. */
export async function encodeInTurn(
  context: EncodeContext,
  encode: (context: EncodeContext) => Encoded,
): Promise<Encoded> {
  const { format } = context;
  if (format.media !== 'yaml') return encode(context);
  const { body } = encode({ ...context, format: { ...format, media: 'json' } });
  return { contentType: contentTypes.yaml, body: await yamlOfJson(body) };
}

export function encodeObject(
  resource: ServedResource,
  object: ServedObject,
  context: EncodeContext,
): Encoded {
  const { format } = context;
  if (!format.as && format.media === 'json')
    return { contentType: contentTypes.json, body: jsonOfServed(resource, object) };
  const served = object instanceof CachedObject ? viewOf(resource, object) : objectOf(object);
  if (!format.as) return encodeValue(served, format, resource.schema);
  if (format.as !== 'Table') return encodeValue(partialMetadata(served, format.asVersion), format);
  const { resourceVersion } = served.metadata;
  const metadata = resourceVersion ? { resourceVersion } : {};
  return encodeValue(tableFor(resource, [object], metadata, tableOptions(context)), format);
}

/** An object that is not stored, or a table of it, or of its items, when it has columns. */
export function encodePlain(
  { object, columns }: Extract<ApiResponse, { type: 'plain' }>,
  context: EncodeContext,
): Encoded {
  const { format } = context;
  if (!format.as || !columns) return encodeValue(object, format);
  const whole = asKubeObject(object);
  if (format.as !== 'Table') return encodeValue(partialMetadata(whole, format.asVersion), format);
  const { resourceVersion } = whole.metadata;
  const options = tableOptions(context);
  const objects = Array.isArray(object.items) ? (object.items as KubeObject[]) : [whole];
  const rows = objects.map((each) => ({ object: each, served: () => each }));
  return encodeValue(tableWith(columns, rows, { resourceVersion }, options), format);
}

export function encodeList(response: ListResponse, context: EncodeContext): Encoded {
  const { format } = context;
  const { resource, items } = response;
  const metadata = listMetadata(response);
  // Tables, and lists of metadata only, leave an empty one out, of custom resources too.
  if (format.as && !response.continue) delete metadata.continue;
  if (!format.as && format.media !== 'protobuf') {
    const body = jsonList(resource, items, metadata);
    if (format.media === 'json') return { contentType: contentTypes.json, body };
    return encodeValue(parseExactJson(body.toString()) as object, format);
  }
  if (format.as === 'Table')
    return encodeValue(tableFor(resource, items, metadata, tableOptions(context)), format);
  const objects = items.map((item) => viewOf(resource, item));
  if (format.as)
    return encodeValue(
      {
        kind: 'PartialObjectMetadataList',
        apiVersion: `meta.k8s.io/${format.asVersion}`,
        metadata,
        items: objects.map((object) => partialMetadata(object, format.asVersion)),
      },
      format,
    );
  const messages = objects.map((object) => encodeMessage(resource.schema, asJsonObject(object)));
  const body = encodeProtobufList(resource.apiVersion, `${resource.kind}List`, metadata, messages);
  return { contentType: contentTypes.protobuf, body: asBuffer(body) };
}

export function listMetadata(response: ListResponse): Record<string, unknown> {
  return {
    resourceVersion: String(response.revision),
    // Lists of custom resources always have the field, as upstream's do.
    ...((response.continue || response.resource.isCustom) && { continue: response.continue ?? '' }),
    ...(response.remaining !== undefined && { remainingItemCount: response.remaining }),
  };
}

/** Definitions of what is of no served kind, by Kind. */
const metaSchemas = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const plainSchemas: Readonly<Record<string, string>> = {
  Scale: 'io.k8s.api.autoscaling.v1.Scale',
  TokenRequest: 'io.k8s.api.authentication.v1.TokenRequest',
};

/** Any value that is JSON already. In protobuf only when `schema`, or its kind, has such a form. */
export function encodeValue(value: object, format: OutputFormat, schema?: string): Encoded {
  if (format.media === 'yaml')
    return { contentType: contentTypes.yaml, body: Buffer.from(formatYaml(value)) };
  if (format.media === 'protobuf') {
    const { kind = '' } = value as { kind?: string };
    const name =
      schema ??
      (Object.hasOwn(plainSchemas, kind) ? plainSchemas[kind] : undefined) ??
      `${metaSchemas}.${kind}`;
    if (canEncode(name))
      return {
        contentType: contentTypes.protobuf,
        body: asBuffer(encodeProtobuf(name, value as JsonObject)),
      };
  }
  return { contentType: contentTypes.json, body: Buffer.from(`${JSON.stringify(value)}\n`) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function jsonOfServed(resource: ServedResource, object: ServedObject): Buffer {
  if (object instanceof CachedObject) return jsonLineOf(resource, object);
  return Buffer.from(`${JSON.stringify(object.plain)}\n`);
}

const comma = Buffer.from(',');
const open = Buffer.from('{');
const itemSeparator = Buffer.from(',{');
const listEnd = Buffer.from(']}\n');

/** A list out of its items' bytes, which are only copied together. */
function jsonList(
  resource: ServedResource,
  items: readonly CachedObject[],
  metadata: Record<string, unknown>,
): Buffer {
  const head = `{"kind":"${resource.kind}List","apiVersion":"${resource.apiVersion}","metadata":${JSON.stringify(metadata)},"items":[`;
  const parts: Buffer[] = [Buffer.from(head)];
  if (resource.served || resource.isCustom) {
    for (const [index, item] of items.entries()) {
      if (index > 0) parts.push(comma);
      parts.push(jsonOf(resource, item));
    }
  } else {
    // Items of built-in kinds leave out kind and apiVersion, which stand before the metadata.
    for (const [index, item] of items.entries())
      parts.push(index > 0 ? itemSeparator : open, item.bytes.subarray(item.metadataAt));
  }
  parts.push(listEnd);
  return Buffer.concat(parts);
}

function tableFor(
  resource: ServedResource,
  items: readonly ServedObject[],
  metadata: Record<string, unknown>,
  options: TableOptions,
): Record<string, unknown> {
  const objects = items.map((item) => ({
    stored: objectOf(item),
    served: () => (item instanceof CachedObject ? viewOf(resource, item) : item.plain),
  }));
  return tableOf(resource, objects, metadata, options);
}

function tableOptions({ format, includeObject, nowMs }: EncodeContext, withoutHeader = false): TableOptions {
  return { includeObject, version: format.asVersion ?? 'v1', nowMs, withoutHeader };
}

const frameStarts: Readonly<Record<WatchedEvent['type'], Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const frameEnd = Buffer.from('}\n');

/** Frames of watch events, ready to be written. */
export function encodeEvents(
  resource: ServedResource,
  events: readonly WatchedEvent[],
  context: EncodeContext,
  { withColumns }: { withColumns: boolean },
): Buffer {
  const parts: Uint8Array[] = [];
  for (const [index, { type, object }] of events.entries()) {
    if (!context.format.as && context.format.media === 'json')
      parts.push(frameStarts[type], jsonOf(resource, object), frameEnd);
    else {
      const value = watchedValue(resource, object, context, withColumns && index === 0);
      parts.push(encodeFrame(type, value, context, resource.schema));
    }
  }
  return Buffer.concat(parts);
}

/** One frame around any value: bookmarks and errors, too. */
export function encodeFrame(
  type: string,
  value: object,
  { format }: EncodeContext,
  schema?: string,
): Uint8Array {
  if (format.media === 'protobuf')
    return encodeWatchFrame(type, encodeValue(value, format, format.as ? undefined : schema).body);
  return Buffer.from(`${JSON.stringify({ type, object: value })}\n`);
}

/** A bookmark is an object of the watched kind that has nothing but `metadata`; in a table, a row of such an object. */
export function encodeBookmark(
  resource: ServedResource,
  metadata: { resourceVersion: string; annotations?: Record<string, string> },
  context: EncodeContext,
  { withColumns }: { withColumns: boolean },
): Uint8Array {
  const { kind, apiVersion, schema } = resource;
  const { as, asVersion } = context.format;
  const object = { kind, apiVersion, metadata };
  if (!as) return encodeFrame('BOOKMARK', object, context, schema);
  const partial = { ...object, kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${asVersion}` };
  if (as !== 'Table') return encodeFrame('BOOKMARK', partial, context);
  const { resourceVersion } = metadata;
  const rows = [{ object: blankObject, served: () => object as KubeObject }];
  const table = tableWith(
    columnsOf(resource),
    rows,
    { resourceVersion },
    tableOptions(context, !withColumns),
  );
  return encodeFrame('BOOKMARK', table, context);
}

/** What the columns of a bookmark read. */
const blankObject = asKubeObject({ metadata: { name: '' }, spec: {}, status: {} });

function watchedValue(
  resource: ServedResource,
  object: CachedObject,
  context: EncodeContext,
  withColumns: boolean,
): object {
  const { as, asVersion } = context.format;
  if (!as) return viewOf(resource, object);
  if (as !== 'Table') return partialMetadata(viewOf(resource, object), asVersion);
  const metadata = { resourceVersion: String(object.revision) };
  return tableFor(resource, [object], metadata, tableOptions(context, !withColumns));
}
