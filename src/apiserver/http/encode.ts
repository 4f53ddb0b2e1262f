/** From an answer in semantic form to bytes in the format that was asked for. */
import { stringify } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import { jsonOf, viewOf } from '../registry/conversion.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { type ApiResponse, objectOf, type ServedObject } from '../request.ts';
import { type IncludeObject, partialMetadata, tableOf } from '../tables/table.ts';
import { CachedObject } from '../watch-cache/cached-object.ts';
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

type ListResponse = Extract<ApiResponse, { type: 'list' }>;

export function encodeObject(
  resource: ServedResource,
  object: ServedObject,
  context: EncodeContext,
): Encoded {
  const { format } = context;
  if (!format.as && format.media === 'json')
    return { contentType: contentTypes.json, body: jsonOfServed(resource, object) };
  const served = object instanceof CachedObject ? viewOf(resource, object) : objectOf(object);
  if (!format.as) return encodeValue(served, format);
  if (format.as === 'PartialObjectMetadata')
    return encodeValue(partialMetadata(served, format.asVersion), format);
  const { resourceVersion } = served.metadata;
  const metadata = resourceVersion ? { resourceVersion } : {};
  return encodeValue(tableFor(resource, [object], metadata, context), format);
}

export function encodeList(response: ListResponse, context: EncodeContext): Encoded {
  const { format } = context;
  const { resource, items } = response;
  const metadata = listMetadata(response);
  if (!format.as && format.media === 'json')
    return { contentType: contentTypes.json, body: jsonList(resource, items, metadata) };
  if (format.as === 'Table') return encodeValue(tableFor(resource, items, metadata, context), format);
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
  return encodeValue(listObject(resource, objects, metadata), format);
}

export function listMetadata(response: ListResponse): Record<string, unknown> {
  return {
    resourceVersion: String(response.revision),
    ...(response.continue && { continue: response.continue }),
    ...(response.remaining !== undefined && { remainingItemCount: response.remaining }),
  };
}

export function listObject(
  resource: ServedResource,
  items: readonly KubeObject[],
  metadata: Record<string, unknown>,
): Record<string, unknown> {
  return { kind: `${resource.kind}List`, apiVersion: resource.apiVersion, metadata, items };
}

/** Any value that is JSON already. */
export function encodeValue(value: object, format: OutputFormat): Encoded {
  if (format.media === 'yaml')
    return {
      contentType: contentTypes.yaml,
      body: Buffer.from(stringify(value, { aliasDuplicateObjects: false })),
    };
  return { contentType: contentTypes.json, body: Buffer.from(JSON.stringify(value)) };
}

function jsonOfServed(resource: ServedResource, object: ServedObject): Buffer {
  if (object instanceof CachedObject) return jsonOf(resource, object);
  return Buffer.from(JSON.stringify(object.plain));
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
  context: EncodeContext,
  withoutHeader = false,
): Record<string, unknown> {
  const objects = items.map((item) => ({
    stored: objectOf(item),
    served: () => (item instanceof CachedObject ? viewOf(resource, item) : item.plain),
  }));
  return tableOf(resource, objects, metadata, {
    includeObject: context.includeObject,
    version: context.format.asVersion ?? 'v1',
    nowMs: context.nowMs,
    withoutHeader,
  });
}

/** The object of one watch event, as JSON text of the format asked for. */
export function encodeWatched(
  resource: ServedResource,
  object: CachedObject,
  context: EncodeContext,
  withoutHeader: boolean,
): Buffer {
  const { as, asVersion } = context.format;
  if (!as) return jsonOf(resource, object);
  const value =
    as === 'Table'
      ? tableFor(resource, [object], { resourceVersion: String(object.revision) }, context, withoutHeader)
      : partialMetadata(viewOf(resource, object), asVersion);
  return Buffer.from(JSON.stringify(value));
}
