/**
 * The framing of a message on the wire: `k8s\0` and a runtime.Unknown with its kind; and the frames of a watch. Stored
 * objects' messages are encoded once; lists and events are assembled from them.
 */
import type { JsonObject } from '../../base/json-object.ts';
import { DecodeError, decode } from '../schema/decode.ts';
import { magic, readMessage, writeMessage } from './codec.ts';
import { hasMessage, messagePlan } from './plans.ts';
import { bytesType, WireError, WireReader, WireWriter } from './wire.ts';

export const protobufMediaType = 'application/vnd.kubernetes.protobuf';

/** The body is not what it must be; the API server answers 400. */
export class ProtobufError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProtobufError';
  }
}

/** False for custom resources and a few meta kinds (Table): those are answered in JSON, or refused with 406. */
export function canEncode(schema: string): boolean {
  return hasMessage(schema);
}

/** The bare message of an object of a definition. */
export function encodeMessage(schema: string, object: JsonObject): Uint8Array {
  const writer = new WireWriter();
  writeMessage(writer, messagePlan(schema), object);
  return writer.finish();
}

/** A message with its kind. */
function wrapMessage(apiVersion: string, kind: string, message: Uint8Array): Uint8Array {
  const writer = new WireWriter(message.length + 64);
  beginEnvelope(writer, apiVersion, kind);
  writer.tag(16 + bytesType);
  writer.bytes(message);
  endEnvelope(writer);
  return writer.finish();
}

function beginEnvelope(writer: WireWriter, apiVersion: string, kind: string): void {
  writer.raw(magic);
  writer.tag(8 + bytesType);
  const typeMeta = writer.begin();
  writer.tag(8 + bytesType);
  writer.string(apiVersion);
  writer.tag(16 + bytesType);
  writer.string(kind);
  writer.end(typeMeta);
}

function endEnvelope(writer: WireWriter): void {
  writer.tag(24 + bytesType);
  writer.string('');
  writer.tag(32 + bytesType);
  writer.string('');
}

/** A whole answer. `object` has its apiVersion and kind. */
export function encodeObject(schema: string, object: JsonObject): Uint8Array {
  return wrapMessage(
    String(object.apiVersion ?? ''),
    String(object.kind ?? ''),
    encodeMessage(schema, object),
  );
}

const listMetaSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta';

/** A list out of its items' messages. Every list kind has its metadata as field 1 and its items as field 2. */
export function encodeList(
  apiVersion: string,
  kind: string,
  metadata: JsonObject,
  items: readonly Uint8Array[],
): Uint8Array {
  let sizeBytes = 256;
  for (const item of items) sizeBytes += item.length + 6;
  const writer = new WireWriter(sizeBytes);
  writer.tag(8 + bytesType);
  writer.bytes(encodeMessage(listMetaSchema, metadata));
  for (const item of items) {
    writer.tag(16 + bytesType);
    writer.bytes(item);
  }
  return wrapMessage(apiVersion, kind, writer.finish());
}

/** The result of {@link encodeList}, in pieces: the items are not copied. */
export function* encodeListPieces(
  apiVersion: string,
  kind: string,
  metadata: JsonObject,
  items: readonly Uint8Array[],
): Generator<Uint8Array> {
  const first = fieldOf(8 + bytesType, encodeMessage(listMetaSchema, metadata));
  let sizeBytes = first.length;
  for (const { length } of items) sizeBytes += 1 + lengthBytes(length) + length;
  const start = new WireWriter(128);
  beginEnvelope(start, apiVersion, kind);
  start.tag(16 + bytesType);
  start.length(sizeBytes);
  yield start.finish();
  yield first;
  for (const item of items) {
    const head = new WireWriter(8);
    head.tag(16 + bytesType);
    head.length(item.length);
    yield head.finish();
    yield item;
  }
  const end = new WireWriter(8);
  endEnvelope(end);
  yield end.finish();
}

/** How many bytes a length takes: seven bits each. */
function lengthBytes(length: number): number {
  let count = 1;
  for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) count++;
  return count;
}

function fieldOf(tag: number, bytes: Uint8Array): Uint8Array {
  const writer = new WireWriter(bytes.length + 8);
  writer.tag(tag);
  writer.bytes(bytes);
  return writer.finish();
}

/** One frame of a watch: its length in four bytes, then a WatchEvent. `object` is a whole answer. */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  const writer = new WireWriter(object.length + 32);
  writer.tag(8 + bytesType);
  writer.string(type);
  writer.tag(16 + bytesType);
  const start = writer.begin();
  writer.tag(8 + bytesType);
  writer.bytes(object);
  writer.end(start);
  const event = writer.finish();
  const frame = new Uint8Array(4 + event.length);
  new DataView(frame.buffer).setUint32(0, event.length);
  frame.set(event, 4);
  return frame;
}

export interface ProtobufEnvelope {
  apiVersion: string;
  kind: string;
  message: Uint8Array;
}

/** @throws {ProtobufError} */
export function readEnvelope(bytes: Uint8Array): ProtobufEnvelope {
  if (bytes.length < 4 || !magic.every((byte, index) => bytes[index] === byte)) {
    throw new ProtobufError(
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
  }
  const envelope: ProtobufEnvelope = { apiVersion: '', kind: '', message: new Uint8Array() };
  return reading(() => {
    const reader = new WireReader(bytes, magic.length);
    while (!reader.done) {
      const tag = reader.tag();
      if (tag === 8 + bytesType) readTypeMeta(reader.message(), envelope);
      else if (tag === 16 + bytesType) envelope.message = reader.bytes();
      else reader.skip(tag);
    }
    return envelope;
  });
}

function readTypeMeta(reader: WireReader, envelope: ProtobufEnvelope): void {
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 8 + bytesType) envelope.apiVersion = reader.string();
    else if (tag === 16 + bytesType) envelope.kind = reader.string();
    else reader.skip(tag);
  }
}

/** The object of a definition that a message holds, in the form that `decode` returns. @throws {ProtobufError} */
export function decodeMessage(schema: string, message: Uint8Array): JsonObject {
  return reading(() => {
    const read = readMessage(new WireReader(message), messagePlan(schema));
    return decode<JsonObject>(schema, read).object;
  });
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof WireError || cause instanceof DecodeError) {
      throw new ProtobufError(cause.message, { cause });
    }
    throw cause;
  }
}
