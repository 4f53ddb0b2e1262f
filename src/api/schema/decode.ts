/**
 * Makes an object of a definition out of parsed JSON, as upstream's decoder and encoder do between them: types are
 * checked, unknown fields dropped (and named), quantities and times made canonical, empty values left out.
 */

import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import type { KubeObject } from '../meta.ts';
import { formatQuantity, parseQuantity, QuantityError } from '../quantities/quantity.ts';
import { canonicalBase64 } from './base64.ts';
import { type FieldProblem, unknownField } from './body/body-problem.ts';
import { type NumberLiterals, placeOf } from './body/number-literals.ts';
import { embeddedAt } from './embedded-structs.ts';
import type { SchemaNode } from './schemas.ts';
import { schemaNode } from './schemas.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';

/** The value does not fit its definition; the message is upstream's, without what the API server puts before it. */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DecodeError';
  }
}

export interface Decoded<T> {
  object: T;
  /** Fields that the definition does not have. */
  problems: FieldProblem[];
}

/** An object of any type as the fields that it is made of. */
export function asJsonObject(object: object): JsonObject {
  return object as JsonObject;
}

/** The opposite: for fields that were decoded, or made, as those of an object of the API. */
export function asKubeObject(fields: object): KubeObject {
  return fields as KubeObject;
}

/** Deeper nesting is refused: recursion over it must not exhaust the stack. */
export const nestingDepthMax = 500;
/** Within paths: what follows is a map's key, not a field. */
const mapKeyMark = '\0';
/**
 * Lists that mean something else when they are empty than when they are absent, and are never stored empty: empty
 * managed fields are a request to forget them all; an autoscaler without a policy is refused, not defaulted.
 */
const tellingWhenEmpty: ReadonlySet<string> = new Set(['managedFields', 'policies']);
/** Problems beyond these are not listed. */
export const problemsMax = 100;

export interface DecodeOptions {
  /** `json` when absent. */
  words?: MismatchWords;
  /** A decoded object: fields of the root that are unchanged values of it are taken over. */
  decoded?: JsonObject;
  /** Numbers whose text counts, not their value. */
  literals?: NumberLiterals;
}

/**
 * Decodes into a new object; maps, byte strings and raw values are shared with `value`, which stays as it is.
 * Decoding a decoded object changes nothing.
 * @throws {DecodeError} when a value has the wrong type.
 */
export function decode<T = JsonObject>(
  schema: string | SchemaNode,
  value: unknown,
  options: DecodeOptions = {},
): Decoded<T> {
  const node = typeof schema === 'string' ? schemaNode(schema) : schema;
  const decoder = new Decoder(options);
  if (!isJsonObject(value)) {
    throw new DecodeError(`json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type ${node.goType}`);
  }
  const object = decoder.decodeRoot(node, value) as T;
  return { object, problems: decoder.problems };
}

/** Assigns also where the key is `__proto__`. */
export function setKey(target: JsonObject, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
}

export function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'number';
  return value === null ? 'null' : typeof value;
}

/** Upstream reads bodies with its JSON decoder, and what a strategic merge patch made with a converter of its own. */
type MismatchWords = 'json' | 'conversion';

const restored: Partial<Record<SchemaNode['type'], string>> = {
  map: 'cannot restore map from ',
  list: 'cannot restore slice from ',
  object: 'cannot restore struct from: ',
};

/** As Go's reflection calls the value of a JSON text. */
function goKindOf(value: unknown): string {
  if (Array.isArray(value)) return 'slice';
  if (typeof value === 'object') return 'map';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  return Number.isInteger(value) || typeof value === 'bigint' ? 'int64' : 'float64';
}

const malformedQuantity =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

class Decoder {
  readonly problems: FieldProblem[] = [];
  readonly #words: MismatchWords;
  readonly #decoded: JsonObject | undefined;
  readonly #literals: NumberLiterals | undefined;
  /** Field names, list indexes and map keys (these marked) from the root to the value at hand. */
  readonly #path: (string | number)[] = [];
  #struct = '';
  #root: SchemaNode | undefined;

  constructor({ words = 'json', decoded, literals }: DecodeOptions) {
    this.#words = words;
    this.#literals = literals;
    this.#decoded = decoded;
  }

  /** The whole of an object; {@link decode} is for what is in it. */
  decodeRoot(node: SchemaNode, value: JsonObject): JsonObject {
    this.#root = node;
    return this.decode(node, value) as JsonObject;
  }

  decode(node: SchemaNode, value: unknown): unknown {
    switch (node.type) {
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch(node, value);
      case 'object':
        return isJsonObject(value) ? this.#object(node, value) : this.#mismatch(node, value);
      case 'map':
        return isJsonObject(value) ? this.#map(node, value) : this.#mismatch(node, value);
      case 'list':
        return Array.isArray(value) ? this.#list(node, value) : this.#mismatch(node, value);
      case 'integer':
        return this.#integer(node, value);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch(node, value);
      case 'number':
        if (typeof value === 'bigint') return Number(value);
        if (value === Infinity || value === -Infinity) return this.#unfitNumber(node, value);
        return typeof value === 'number' ? value : this.#mismatch(node, value);
      case 'quantity':
        return this.#quantity(value);
      case 'intOrString':
        return typeof value === 'string' ? value : this.#integer(node, value, 'int32');
      case 'time':
      case 'microTime':
        return this.#time(node, value);
      case 'bytes':
        return this.#bytes(node, value);
      case 'schemaOr':
        return this.#schemaOr(node, value);
      case 'any':
        this.#checkDepth(value, this.#path.length);
        return value;
    }
  }

  #object(node: SchemaNode, value: JsonObject): JsonObject {
    const outerStruct = this.#struct;
    this.#enter();
    const out: JsonObject = {};
    const fields = node.fields!;
    for (const key in value) {
      const given = value[key];
      const field = fields.get(key);
      if (!field) {
        this.#unknownField(key);
        if (node.preserveUnknown) setKey(out, key, given);
        continue;
      }
      if (given === null || given === undefined) continue;
      if (this.#path.length === 0 && this.#decoded?.[key] === given) {
        out[key] = given;
        continue;
      }
      this.#struct = node.structName ?? '';
      this.#path.push(key);
      const decoded = this.decode(field.node, given);
      this.#path.pop();
      if (field.presence === 'omitEmpty' && isZeroValue(decoded) && !tellingWhenEmpty.has(key)) continue;
      // In protobuf, in which upstream stores objects, an empty list is absent.
      const isNone = field.presence === 'always' && Array.isArray(decoded) && decoded.length === 0;
      out[key] = isNone ? null : decoded;
    }
    this.#struct = outerStruct;
    fillAlways(node, out);
    return out;
  }

  #map(node: SchemaNode, value: JsonObject): unknown {
    const element = node.element!;
    if (element.type === 'string' && allStrings(value)) return value;
    this.#enter();
    const out: JsonObject = {};
    for (const key of Object.keys(value)) {
      const given = value[key];
      this.#path.push(mapKeyMark + key);
      setKey(out, key, given === null ? zeroValue(element) : this.decode(element, given));
      this.#path.pop();
    }
    return out;
  }

  #list(node: SchemaNode, value: unknown[]): unknown[] {
    const element = node.element!;
    this.#enter();
    const out = new Array<unknown>(value.length);
    for (let index = 0; index < value.length; index++) {
      const given = value[index];
      this.#path.push(index);
      out[index] = given === null ? zeroValue(element) : this.decode(element, given);
      this.#path.pop();
    }
    return out;
  }

  #integer(node: SchemaNode, value: unknown, goType = node.goType): unknown {
    if (this.#words === 'conversion' && goType === node.goType && isWhole(value))
      return convertedInteger(value, node.bits);
    if (typeof value === 'bigint')
      return node.bits === 32 ? this.#mismatch(node, value, `number ${value}`, goType) : value;
    if (typeof value !== 'number') return this.#mismatch(node, value, jsonTypeOf(value), goType);
    // Whole numbers of 64 bits that are no safe integers have come as bigints.
    const fits = node.bits === 32 ? value === (value | 0) : Number.isSafeInteger(value);
    if (!fits || this.#literal()) return this.#unfitNumber(node, value, goType);
    return value === 0 ? 0 : value;
  }

  #unfitNumber(node: SchemaNode, value: number, goType = node.goType): never {
    return this.#mismatch(node, value, `number ${this.#literal() ?? value}`, goType);
  }

  /** The text of the number at hand, when it is what counts. */
  #literal(): string | undefined {
    if (!this.#literals) return undefined;
    return this.#literals.get(placeOf(this.#path.map(withoutMark)));
  }

  #quantity(value: unknown): unknown {
    const amount = typeof value === 'bigint' ? String(value) : (this.#literal() ?? value);
    if (typeof amount !== 'string' && typeof amount !== 'number') throw new DecodeError(malformedQuantity);
    try {
      return canonicalQuantity(amount);
    } catch (error) {
      if (error instanceof QuantityError) throw new DecodeError(error.message);
      throw error;
    }
  }

  #time(node: SchemaNode, value: unknown): unknown {
    if (typeof value !== 'string') return this.#mismatch(node, value, jsonTypeOf(value), 'string');
    const canonical = node.type === 'time' ? canonicalTime(value) : canonicalMicroTime(value);
    if (typeof canonical !== 'string') throw new DecodeError(canonical.error);
    return canonical;
  }

  #bytes(node: SchemaNode, value: unknown): unknown {
    if (typeof value !== 'string') return this.#mismatch(node, value);
    const packed = canonicalBase64(value);
    if (typeof packed === 'number') throw new DecodeError(`illegal base64 data at input byte ${packed}`);
    return packed;
  }

  #schemaOr(node: SchemaNode, value: unknown): unknown {
    if (isJsonObject(value)) return this.#object(node.element!, value);
    if (Array.isArray(value)) {
      return value.map((item) => (isJsonObject(item) ? this.#object(node.element!, item) : item));
    }
    return value;
  }

  #enter(): void {
    if (this.#path.length > nestingDepthMax) throw new DecodeError('json: exceeded max depth');
  }

  #checkDepth(value: unknown, depth: number): void {
    if (typeof value !== 'object' || value === null) return;
    if (depth > nestingDepthMax) throw new DecodeError('json: exceeded max depth');
    for (const key in value) this.#checkDepth((value as JsonObject)[key], depth + 1);
  }

  #unknownField(key: string): void {
    if (this.problems.length < problemsMax) {
      this.problems.push(unknownField(joinPath([...this.#path, key])));
    }
  }

  #mismatch(node: SchemaNode, value: unknown, found = jsonTypeOf(value), goType = node.goType): never {
    if (this.#words === 'conversion') throw new DecodeError(conversionMismatch(node, value));
    throw new DecodeError(
      `json: cannot unmarshal ${found} into Go struct field ${this.#struct}.${this.#fieldNames().join('.')} of type ${goType}`,
    );
  }

  /** The way of field names to the value at hand, without indexes and map keys, with the structs that are embedded. */
  #fieldNames(): string[] {
    const names: string[] = [];
    let node = this.#root;
    for (const part of this.#path) {
      if (typeof part === 'number' || part.startsWith(mapKeyMark)) {
        node = node?.element;
        continue;
      }
      names.push(...embeddedAt(node?.structName, part), part);
      node = node?.fields?.get(part)?.node;
    }
    return names;
  }
}

function isWhole(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** As Go's reflection converts whole numbers: those beyond 64 bits have become the least number, 32 bits are the lower ones. */
function convertedInteger(value: number | bigint, bits: number | undefined): number | bigint {
  const isInRange = typeof value === 'bigint' || Math.abs(value) < 2 ** 63;
  const whole = isInRange ? BigInt(value) : -(2n ** 63n);
  if (bits === 32) return Number(BigInt.asIntN(32, whole));
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}

function conversionMismatch(node: SchemaNode, value: unknown): string {
  const kind = goKindOf(value);
  const prefix = restored[node.type];
  if (prefix) return prefix + kind;
  // Go could convert numbers to strings (as characters), which JSON does not allow: it says so. For other mismatches it
  // knows no conversion.
  const isNumber = kind === 'int64' || kind === 'float64';
  return isNumber && (node.type === 'string' || kind === 'float64')
    ? `cannot convert ${kind} to ${node.goType}`
    : `unrecognized type: ${node.goType}`;
}

function withoutMark(part: string | number): string | number {
  return typeof part === 'string' && part.startsWith(mapKeyMark) ? part.slice(mapKeyMark.length) : part;
}

/** `spec.containers[0].image` */
export function joinPath(parts: readonly (string | number)[]): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'number') text += `[${part}]`;
    else {
      const name = withoutMark(part);
      text += text === '' ? name : `.${name}`;
    }
  }
  return text;
}

function allStrings(map: JsonObject): boolean {
  for (const key in map) if (typeof map[key] !== 'string') return false;
  return true;
}

function isZeroValue(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    for (const _ in value) return false;
    return true;
  }
  return value === '' || value === 0 || value === false || value === undefined;
}

function fillAlways(node: SchemaNode, out: JsonObject): void {
  for (const field of node.alwaysFields!) {
    if (out[field.name] !== undefined) continue;
    // Bytes that are not there are null to Go.
    if (field.presence === 'pointerOrNull' || field.node.type === 'bytes') out[field.name] = null;
    else out[field.name] = zeroValue(field.node);
  }
}

function zeroValue(node: SchemaNode): unknown {
  switch (node.type) {
    case 'string':
    case 'bytes':
      return '';
    case 'integer':
    case 'number':
    case 'intOrString':
      return 0;
    case 'boolean':
      return false;
    case 'quantity':
      return '0';
    case 'object': {
      const out: JsonObject = {};
      fillAlways(node, out);
      return out;
    }
    default:
      return null;
  }
}

/** Quantities repeat endlessly; those seen are remembered, up to this many. */
const quantityCacheMax = 10_000;
const quantityCache = new Map<string | number, string>();

/** `1000m` → `1`, `0.5` → `500m`. @throws {QuantityError} */
function canonicalQuantity(value: string | number): string {
  let canonical = quantityCache.get(value);
  if (canonical === undefined) {
    canonical = formatQuantity(parseQuantity(typeof value === 'string' ? value.trim() : value));
    if (quantityCache.size >= quantityCacheMax) quantityCache.clear();
    quantityCache.set(value, canonical);
  }
  return canonical;
}
