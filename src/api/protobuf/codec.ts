/** Objects to and from Kubernetes' protobuf messages, byte for byte as upstream writes them. */

import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { JsonError, parseJson } from '../schema/body/json.ts';
import { setKey } from '../schema/decode.ts';
import type { FieldPlan, MessagePlan } from './plans.ts';
import { bytesType, varintType, WireError, type WireReader, type WireWriter } from './wire.ts';

/** Deeper messages are refused. */
const nestingDepthMax = 200;

/** What an object in protobuf starts with: `k8s\0`. */
export const magic = Uint8Array.of(0x6b, 0x38, 0x73, 0);

export function writeMessage(writer: WireWriter, plan: MessagePlan, object: JsonObject): void {
  for (const field of plan.fields) {
    if (field.name === '') {
      writer.tag(field.tag);
      const start = writer.begin();
      writeMessage(writer, field.plan(), object);
      writer.end(start);
      continue;
    }
    const value = object[field.name];
    if (value === undefined || value === null) {
      if (field.isValue) writeZero(writer, field);
    } else if (field.map) writeMap(writer, field, value as JsonObject);
    else if (field.repeated) {
      for (const item of value as unknown[]) {
        writer.tag(field.tag);
        writeValue(writer, field, item);
      }
    } else {
      writer.tag(field.tag);
      writeValue(writer, field, value);
    }
  }
}

function writeMap(writer: WireWriter, field: FieldPlan, map: JsonObject): void {
  for (const key of Object.keys(map).sort()) {
    writer.tag(field.tag);
    const start = writer.begin();
    writer.tag(8 + bytesType);
    writer.string(key);
    writer.tag(16 + wireTypeOf(field));
    writeValue(writer, field, map[key]);
    writer.end(start);
  }
}

function wireTypeOf(field: FieldPlan): number {
  return field.codec === 'integer' || field.codec === 'boolean' ? varintType : bytesType;
}

function writeZero(writer: WireWriter, field: FieldPlan): void {
  writer.tag(field.tag);
  switch (field.codec) {
    case 'integer':
    case 'boolean':
      writer.integer(0);
      return;
    case 'double':
      writer.double(0);
      return;
    case 'quantity':
      writeValue(writer, field, '0');
      return;
    case 'intOrString':
      writeValue(writer, field, 0);
      return;
    case 'message': {
      const start = writer.begin();
      writeMessage(writer, field.plan(), {});
      writer.end(start);
      return;
    }
    default:
      writer.integer(0);
  }
}

function writeValue(writer: WireWriter, field: FieldPlan, value: unknown): void {
  switch (field.codec) {
    case 'string':
      writer.string(value as string);
      return;
    case 'integer':
      writer.integer(value as number | bigint);
      return;
    case 'boolean':
      writer.integer(value ? 1 : 0);
      return;
    case 'double':
      writer.double(value as number);
      return;
    case 'bytes':
      writer.bytes(Buffer.from((value ?? '') as string, 'base64'));
      return;
  }
  const start = writer.begin();
  writeNested(writer, field, value);
  writer.end(start);
}

function writeNested(writer: WireWriter, field: FieldPlan, value: unknown): void {
  switch (field.codec) {
    case 'time':
    case 'microTime':
      writeTime(writer, value as string | null);
      return;
    case 'quantity':
      writer.tag(8 + bytesType);
      writer.string(value as string);
      return;
    case 'intOrString':
      writer.tag(8);
      writer.integer(typeof value === 'string' ? 1 : 0);
      writer.tag(16);
      writer.integer(typeof value === 'number' ? value : 0);
      writer.tag(24 + bytesType);
      writer.string(typeof value === 'string' ? value : '');
      return;
    case 'raw':
      if (value === null || value === undefined) return;
      writer.tag(8 + bytesType);
      writer.bytes(Buffer.from(JSON.stringify(value)));
      return;
    case 'wrappedList':
      for (const item of value as string[]) {
        writer.tag(8 + bytesType);
        writer.string(item);
      }
      return;
    case 'schemaOr':
      writeSchemaOr(writer, field, value);
      return;
    default:
      writeMessage(writer, field.plan(), isJsonObject(value) ? value : {});
  }
}

function writeTime(writer: WireWriter, value: string | null): void {
  if (!value) return;
  const millis = Date.parse(value);
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
  writer.tag(8);
  writer.integer(Math.floor(millis / 1000));
  writer.tag(16);
  writer.integer(Number(fraction.padEnd(9, '0').slice(0, 9)));
}

/** The three messages of what JSONSchemaProps nests: by their fields' names. */
function writeSchemaOr(writer: WireWriter, field: FieldPlan, value: unknown): void {
  const tags = schemaOrTags(field);
  const writeSchema = (tag: number, schema: unknown) => {
    writer.tag(tag);
    const start = writer.begin();
    writeMessage(writer, field.parentPlan(), schema as JsonObject);
    writer.end(start);
  };
  if (tags.allows !== undefined) {
    writer.tag(tags.allows);
    writer.integer(value === false ? 0 : 1);
  }
  if (isJsonObject(value)) writeSchema(tags.schema, value);
  else if (Array.isArray(value)) {
    for (const item of value) {
      if (tags.list === undefined) continue;
      if (isJsonObject(item)) writeSchema(tags.list, item);
      else {
        writer.tag(tags.list);
        writer.string(String(item));
      }
    }
  }
}

function schemaOrTags(field: FieldPlan): { allows?: number; schema: number; list?: number } {
  const tags = [...field.plan().byTag.values()];
  const allows = tags.find((entry) => entry.codec === 'boolean');
  const list = tags.find((entry) => entry.repeated);
  const schema = tags.find((entry) => entry.codec === 'message' && !entry.repeated)!;
  return { allows: allows?.tag, schema: schema.tag, list: list?.tag };
}

/** The fields that the message has; what upstream's JSON always shows is for the caller's `decode` to add. */
export function readMessage(
  reader: WireReader,
  plan: MessagePlan,
  object: JsonObject = {},
  depth = 0,
): JsonObject {
  if (depth > nestingDepthMax) throw new WireError('proto: message nests too deep');
  while (!reader.done) {
    const tag = reader.tag();
    const field = plan.byTag.get(tag);
    if (!field) {
      reader.skip(tag);
      continue;
    }
    if (field.name === '') readMessage(reader.message(), field.plan(), object, depth + 1);
    else if (field.map) readMapEntry(reader.message(), field, object, depth);
    else if (field.repeated) {
      const value = readValue(reader, field, depth);
      const list = object[field.name] as unknown[] | undefined;
      if (list) list.push(value);
      else object[field.name] = [value];
    } else object[field.name] = readValue(reader, field, depth);
  }
  return object;
}

function readMapEntry(reader: WireReader, field: FieldPlan, object: JsonObject, depth: number): void {
  object[field.name] ??= {};
  let key = '';
  let value: unknown = field.codec === 'message' ? {} : '';
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 8 + bytesType) key = reader.string();
    else if (tag === 16 + wireTypeOf(field)) value = readValue(reader, field, depth);
    else reader.skip(tag);
  }
  setKey(object[field.name] as JsonObject, key, value);
}

function readValue(reader: WireReader, field: FieldPlan, depth: number): unknown {
  switch (field.codec) {
    case 'string':
      return reader.string();
    case 'integer':
      return reader.exactInteger();
    case 'boolean':
      return reader.integer() !== 0;
    case 'double':
      return reader.double();
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64');
    default:
      return readNested(reader.message(), field, depth + 1);
  }
}

function readNested(reader: WireReader, field: FieldPlan, depth: number): unknown {
  switch (field.codec) {
    case 'time':
    case 'microTime':
      return readTime(reader, field.codec);
    case 'quantity':
      return readFields(reader).strings.get(1) ?? '0';
    case 'intOrString': {
      const { integers, strings } = readFields(reader);
      return integers.get(1) === 1 ? (strings.get(3) ?? '') : (integers.get(2) ?? 0) | 0;
    }
    case 'raw':
      return readRaw(reader);
    case 'wrappedList': {
      const list: string[] = [];
      while (!reader.done) {
        const tag = reader.tag();
        if (tag === 8 + bytesType) list.push(reader.string());
        else reader.skip(tag);
      }
      return list;
    }
    case 'schemaOr':
      return readSchemaOr(reader, field, depth);
    default:
      return readMessage(reader, field.plan(), {}, depth);
  }
}

/** The scalar fields of a small message, by number. */
function readFields(reader: WireReader): { integers: Map<number, number>; strings: Map<number, string> } {
  const integers = new Map<number, number>();
  const strings = new Map<number, string>();
  while (!reader.done) {
    const tag = reader.tag();
    if ((tag & 7) === varintType) integers.set(tag >>> 3, reader.integer());
    else if ((tag & 7) === bytesType) strings.set(tag >>> 3, reader.string());
    else reader.skip(tag);
  }
  return { integers, strings };
}

/** An empty message is no time at all. */
function readTime(reader: WireReader, codec: 'time' | 'microTime'): string | null {
  if (reader.done) return null;
  const { integers } = readFields(reader);
  const date = new Date((integers.get(1) ?? 0) * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) {
    throw new WireError('proto: time out of range');
  }
  const seconds = date.toISOString().slice(0, 19);
  if (codec === 'time') return `${seconds}Z`;
  const nanos = integers.get(2) ?? 0;
  if (nanos < 0 || nanos > 999_999_999) throw new WireError('proto: time out of range');
  return `${seconds}.${String(nanos).padStart(9, '0').slice(0, 6)}Z`;
}

function readRaw(reader: WireReader): unknown {
  let bytes: Uint8Array | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 8 + bytesType) bytes = reader.bytes();
    else reader.skip(tag);
  }
  if (!bytes || bytes.length === 0) return null;
  if (bytes.length >= 4 && magic.every((byte, index) => bytes[index] === byte)) {
    throw new WireError('an object in protobuf within a raw extension is not supported');
  }
  try {
    return parseJson(decoder.decode(bytes)).value;
  } catch (cause) {
    if (cause instanceof JsonError) throw new WireError('a raw extension holds no JSON');
    throw cause;
  }
}

const decoder = new TextDecoder();

function readSchemaOr(reader: WireReader, field: FieldPlan, depth: number): unknown {
  const tags = schemaOrTags(field);
  let allows = true;
  let schema: JsonObject | undefined;
  let list: unknown[] | undefined;
  const isStringList = field.plan().byTag.get(tags.list ?? 0)?.codec === 'string';
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === tags.allows) allows = reader.integer() !== 0;
    else if (tag === tags.schema) schema = readMessage(reader.message(), field.parentPlan(), {}, depth + 1);
    else if (tag === tags.list) {
      list ??= [];
      list.push(
        isStringList ? reader.string() : readMessage(reader.message(), field.parentPlan(), {}, depth + 1),
      );
    } else reader.skip(tag);
  }
  return schema ?? list ?? (tags.allows === undefined ? null : allows);
}
