/**
 * The bytes under which objects are stored. Most writes change a status or the metadata and share the rest with the state
 * before: that part of the bytes is copied instead of being written out again.
 */
import type { KubeObject } from '../../api/meta.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { managedFieldsText } from '../../api/schema/fields/field-owners.ts';
import { writeExactJson } from '../../base/text/exact-json.ts';

/** Where in the bytes something begins. */
export interface Layout {
  /** `"metadata":{` */
  readonly metadata: number;
  /** What follows the metadata. */
  readonly rest: number;
  /** The last field, as a rule the status. */
  readonly last: number;
}

export interface Encoded {
  value: Buffer;
  hasBigints: boolean;
  layout: Layout;
}

const closingBrace = '}';

/** kind, apiVersion, metadata without its resourceVersion, and the rest in the object's own order. */
export function encodeObject(object: KubeObject): Encoded {
  const fields = fieldsAfterMetadata(object);
  const head = writeHead(object);
  const middle = writeFields(object, fields.slice(0, -1));
  const last = writeFields(object, fields.slice(-1));
  const text = head.text + middle.text + last.text + closingBrace;
  const value = Buffer.from(text);
  const lengthOf = value.length === text.length ? (part: string) => part.length : Buffer.byteLength;
  const rest = lengthOf(head.text);
  return {
    value,
    hasBigints: head.hasBigints || middle.hasBigints || last.hasBigints,
    layout: { metadata: head.metadataAt, rest, last: rest + lengthOf(middle.text) },
  };
}

/**
 * `object` as the state that follows `before`: undefined when more than its metadata and its last field are new. Fields
 * are the same when they are the very same value.
 */
export function reencodeObject(
  object: KubeObject,
  before: Encoded & { object: KubeObject },
): Encoded | undefined {
  const fields = fieldsAfterMetadata(object);
  const shared = sharedFields(object, before.object, fields);
  if (shared < Math.max(0, fields.length - 1)) return undefined;
  const { layout } = before;
  const isLastShared = shared === fields.length;
  const head = writeHead(object);
  const last = writeFields(object, isLastShared ? [] : fields.slice(-1));
  const until = isLastShared ? before.value.length - 1 : layout.last;
  const rest = Buffer.byteLength(head.text);
  const sharedBytes = until - layout.rest;
  const tail = last.text + closingBrace;
  const value = Buffer.allocUnsafe(rest + sharedBytes + Buffer.byteLength(tail));
  value.write(head.text, 0);
  before.value.copy(value, rest, layout.rest, until);
  value.write(tail, rest + sharedBytes);
  return {
    value,
    hasBigints: head.hasBigints || last.hasBigints || before.hasBigints,
    layout: { metadata: layout.metadata, rest, last: rest + layout.last - layout.rest },
  };
}

function fieldsAfterMetadata(object: KubeObject): string[] {
  const fields: string[] = [];
  for (const key in object) if (!isInHead(key)) fields.push(key);
  return fields;
}

function isInHead(key: string): boolean {
  return key === 'kind' || key === 'apiVersion' || key === 'metadata';
}

/** How many leading fields the object shares with `before`. -1: it has others, or another order. */
function sharedFields(object: KubeObject, before: KubeObject, fields: readonly string[]): number {
  const [next, old] = [asJsonObject(object), asJsonObject(before)];
  let position = 0;
  let shared = 0;
  for (const key in before) {
    if (isInHead(key)) continue;
    if (key !== fields[position]) return -1;
    if (shared === position && next[key] === old[key]) shared++;
    position++;
  }
  return position === fields.length ? shared : -1;
}

/** Without the brace that ends the object. `metadataAt` is the same in bytes: what stands before is ASCII. */
function writeHead({ kind, apiVersion, metadata }: KubeObject) {
  const { resourceVersion: _, selfLink: _link, managedFields, ...meta } = metadata;
  const { text, hasBigints } = writeExactJson({ kind, apiVersion, metadata: meta });
  const metadataAt = text.indexOf('"metadata":{');
  if (!managedFields) return { text: text.slice(0, -1), hasBigints, metadataAt };
  const fields = managedFieldsText(managedFields) ?? JSON.stringify(managedFields);
  const separator = text.endsWith('{}}') ? '' : ',';
  return { text: `${text.slice(0, -2)}${separator}"managedFields":${fields}}`, hasBigints, metadataAt };
}

/** Each after a comma; one that is undefined leaves nothing. */
function writeFields(object: KubeObject, fields: readonly string[]) {
  const all = asJsonObject(object);
  let written = '';
  let hasBigints = false;
  for (const key of fields) {
    if (all[key] === undefined) continue;
    const field = writeExactJson({ [key]: all[key] });
    written += `,${field.text.slice(1, -1)}`;
    hasBigints ||= field.hasBigints;
  }
  return { text: written, hasBigints };
}
