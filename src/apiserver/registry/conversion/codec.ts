/** From a request's body to an object of the stored version: parse, decode, default, convert. */
import type { KubeObject } from '../../../api/meta.ts';
import {
  canEncode,
  decodeMessage,
  ProtobufError,
  protobufMediaType,
  readEnvelope,
} from '../../../api/protobuf/envelope.ts';
import {
  type BodyFormat,
  bodySizeBytesMax,
  type DecodedBody,
  decodeParsed,
  type FieldValidation,
  type ParsedBody,
  parseBody,
  unrecognized,
} from '../../../api/schema/body/body.ts';
import { applySchemaDefaults } from '../../../api/schema/defaults.ts';
import { applyPatch, type ParsedPatch } from '../../../api/schema/patch/patch.ts';
import type { SchemaNode } from '../../../api/schema/schemas.ts';
import { unsupportedMediaType } from '../../../api/status.ts';
import type { DefaultOptions } from '../../../api/structural/default.ts';
import type { ApiRequest } from '../../request.ts';
import type { ServedResource } from '../kind-registry.ts';
import { convertToStored } from './conversion.ts';
import { yamlReader } from './long-yaml.ts';

/** How a resource's own type is read: from the schema facts, or from a CustomResourceDefinition's schema. */
export interface ResourceCodec {
  /** The type's fields, for managed fields: a definition's name or a tree; undefined when they are unknown. */
  readonly fields: string | SchemaNode | undefined;
  /** The schema of a custom resource in OpenAPI documents; those of built-in kinds are among the schema facts. */
  readonly openApiSchema?: Readonly<Record<string, unknown>>;
  /** @throws StatusError 400 */
  decode(parsed: ParsedBody, validation: FieldValidation): DecodedBody<KubeObject>;
  /**
   * What is frozen is as its schema wants it: the outcome shares with it what the patch leaves alone.
   * @throws StatusError 400, 422
   */
  patch(current: KubeObject, patch: ParsedPatch, validation: FieldValidation): DecodedBody<KubeObject>;
  /** Fills in defaults of this version. Changes the object. */
  setDefaults(object: KubeObject, options?: DefaultOptions): void;
  /** The object for a reader when it was stored under an older schema; absent when schemas never change. */
  refresh?(stored: KubeObject): KubeObject;
  /** Without what this version does not know; no defaults. Shares nothing with the object; absent as above. */
  prune?(converted: KubeObject): KubeObject;
  /** Whether {@link refresh} would leave it as it is: found out without making it. */
  isFresh?(stored: KubeObject): boolean;
}

/** The codec of a kind whose definition is among the schema facts. */
export function schemaCodec(resource: {
  schema: string;
  group: string;
  version: string;
  kind: string;
}): ResourceCodec {
  const { schema, group, version, kind } = resource;
  const expected = { group, version, kind };
  return {
    fields: schema,
    decode: (parsed, validation) => decodeParsed<KubeObject>(parsed, schema, expected, validation),
    patch: (current, patch, validation) =>
      applyPatch<KubeObject>({ ...current }, patch, { schema, expected, validation }),
    setDefaults: (object) => applySchemaDefaults(schema, object),
  };
}

/** Media types of request bodies that hold one object. */
const objectFormats: Readonly<Record<string, BodyFormat>> = {
  '': 'json',
  'application/json': 'json',
  'application/yaml': 'yaml',
};

export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** The type that a body should hold. */
export interface BodyType {
  kind: string;
  /** Its definition in the schema facts, for protobuf bodies. */
  schema: string;
}

/** The body as a value, checked for its form only: a promise where it has to be read. @throws StatusError 400, 413, 415 */
export function readParsedBody(request: ApiRequest, type: BodyType): ParsedBody | Promise<ParsedBody> {
  if (!request.localBody) return readBodyBytes(request, type);
  return { value: (request.localBody.value ?? {}) as Record<string, unknown>, problems: [] };
}

async function readBodyBytes(request: ApiRequest, type: BodyType): Promise<ParsedBody> {
  const mediaType = mediaTypeOf(request.header('content-type'));
  requireObjectMediaType(mediaType, type);
  return await parseBytes(await request.readBody(bodySizeBytesMax), mediaType, type);
}

/** @throws StatusError 415 */
export function requireObjectMediaType(mediaType: string, type: BodyType): void {
  if (!isObjectMediaType(mediaType, type))
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
}

function isObjectMediaType(mediaType: string, { schema }: BodyType): boolean {
  return mediaType === protobufMediaType ? canEncode(schema) : mediaType in objectFormats;
}

/** @throws StatusError 400 */
export async function parseBytes(
  bytes: Uint8Array,
  mediaType: string,
  { kind, schema }: BodyType,
): Promise<ParsedBody> {
  if (mediaType === protobufMediaType) return { value: readProtobuf(bytes, kind, schema), problems: [] };
  const format = objectFormats[mediaType] ?? 'json';
  return parseBody(bytes, format, kind, format === 'yaml' ? await yamlReader(bytes) : undefined);
}

function readProtobuf(bytes: Uint8Array, expectedKind: string, schema: string): Record<string, unknown> {
  try {
    const { apiVersion, kind, message } = readEnvelope(bytes);
    // A message of another kind cannot be decoded; its kind alone is enough for the error.
    const content = kind === '' || kind === expectedKind ? decodeMessage(schema, message) : {};
    return { ...content, ...(apiVersion && { apiVersion }), ...(kind && { kind }) };
  } catch (error) {
    if (error instanceof ProtobufError) throw unrecognized(expectedKind, error.message, bytes);
    throw error;
  }
}

/** An object of `resource`'s version as the client sent it, decoded, not defaulted. */
export function decodeAs(
  resource: ServedResource,
  parsed: ParsedBody,
  validation: FieldValidation,
  warnings: string[],
): KubeObject {
  const decoded = resource.codec.decode(parsed, validation);
  // One by one: a body may have more of them than a call takes arguments.
  for (const warning of decoded.warnings) warnings.push(warning);
  const object = decoded.object;
  // Types in which metadata may be left out altogether (reviews, bindings) have it nevertheless.
  object.metadata ??= {} as KubeObject['metadata'];
  return object;
}

/** Defaults an object of `resource`'s version and returns it in the stored version, defaulted there too. */
export function toStoredVersion(
  resource: ServedResource,
  object: KubeObject,
  options?: DefaultOptions,
): KubeObject {
  resource.codec.setDefaults(object, options);
  const { definition, served } = resource;
  if (!served) {
    definition.defaults?.(object);
    return object;
  }
  served.defaults?.(object);
  const stored = convertToStored(resource, object);
  resource.storedCodec.setDefaults(stored, options);
  definition.defaults?.(stored);
  return stored;
}
