/** From the bytes of a request to an object of the expected kind, with upstream's answers to invalid ones. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { apiVersionOf } from '../../meta.ts';
import { badRequest, StatusError, tooLarge } from '../../status.ts';
import { DecodeError, decode } from '../decode.ts';
import { checkKind, type ExpectedKind, unreadableType } from './body-kind.ts';
import { type BodyProblem, type FieldProblem, problemText } from './body-problem.ts';
import { JsonError, type ParsedText, parseJson } from './json.ts';
import { type NumberLiterals, oddNumbersIn } from './number-literals.ts';
import { parseYaml, YamlError } from './yaml.ts';

/** What a client may send in one request: upstream's limit. */
export const bodySizeBytesMax = 3 * 1024 * 1024;

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface DecodedBody<T = JsonObject> {
  object: T;
  /** For the client, as warnings; empty unless the field validation is `Warn`. */
  warnings: string[];
}

export type BodyFormat = 'json' | 'yaml';

/** Reads YAML as {@link parseYaml} does. @throws {YamlError} */
export type YamlReader = (text: string) => ParsedText;

/**
 * Parses a body that must hold one object. `problems` are keys that stand twice.
 * @throws {StatusError} 400, 413
 */
export function parseBody(
  bytes: Uint8Array,
  format: BodyFormat,
  expectedKind: string,
  yaml: YamlReader = parseYaml,
): ParsedBody {
  checkSize(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const refuse = (message: string) => unrecognized(expectedKind, message, bytes);
  const parsed = parseText(text, format === 'json' ? parseJson : yaml, refuse);
  // An empty body is an empty object.
  if (parsed.value === null) return { ...parsed, value: {} };
  const problem = unreadableType(parsed.value);
  if (problem) throw refuse(problem);
  // YAML becomes JSON first, in which all numbers are written in the usual way.
  const literals = format === 'json' ? oddNumbersIn(text) : undefined;
  return { ...parsed, value: parsed.value as JsonObject, ...(literals && { literals }) };
}

export interface ParsedBody extends ParsedText {
  value: JsonObject;
  literals?: NumberLiterals;
}

function checkSize(bytes: Uint8Array): void {
  if (bytes.length > bodySizeBytesMax) throw tooLarge(`limit is ${bodySizeBytesMax}`);
}

function parseText(text: string, read: YamlReader, refuse: (message: string) => StatusError): ParsedText {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof JsonError) {
      throw refuse(`couldn't get version/kind; json parse error: ${error.message}`);
    }
    if (error instanceof YamlError) throw refuse(error.message);
    throw error;
  }
}

function describeType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Of an unusable body: as much as identifies it. */
const prefixBytesMax = 30;

const openingBrace = 0x7b;

export function unrecognized(kind: string, message: string, bytes: Uint8Array): StatusError {
  // These are read elsewhere in upstream, which does not say what it looked for.
  if (kind === 'DeleteOptions') return badRequest(message);
  const encoding = bytes[0] === openingBrace ? 'utf8' : 'hex';
  const start =
    bytes.length === 0 ? '<empty>' : Buffer.from(bytes.subarray(0, prefixBytesMax)).toString(encoding);
  const more = bytes.length > prefixBytesMax ? ' ...' : '';
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): ${message} (${start}${more})`,
  );
}

/**
 * The body of a server-side apply: one object, in YAML or JSON, and what to warn of.
 * @throws {StatusError} 400, 413
 */
export function parseApplyBody(
  bytes: Uint8Array,
  validation: FieldValidation,
  yaml: YamlReader = parseYaml,
): { config: JsonObject; warnings: string[] } {
  checkSize(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const { value: read, problems } = readYaml(text, yaml);
  // Nothing is an object of no kind.
  const value = read ?? {};
  if (!isJsonObject(value)) {
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${describeType(value)} into Go value of type map[string]interface {}`,
    );
  }
  if (problems.length === 0 || validation === 'Ignore') return { config: value, warnings: [] };
  const warnings = problems.map(problemText);
  if (validation === 'Strict')
    throw badRequest(
      `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ${warnings.join('\n  ')}`,
    );
  return { config: value, warnings };
}

function readYaml(text: string, yaml: YamlReader): ParsedText {
  try {
    return yaml(text);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`);
  }
}

/**
 * Decodes a parsed object as `schema` and sets its apiVersion and kind. `parseProblems` are those of {@link parseBody}.
 * @throws {StatusError} 400 when a type does not fit or, with `Strict`, when a field is unknown or stands twice.
 */
export function decodeParsed<T = JsonObject>(
  parsed: ParsedBody,
  schema: string,
  expected: ExpectedKind,
  validation: FieldValidation,
): DecodedBody<T> {
  checkKind(parsed.value, expected);
  const { object, problems } = decodeOrRefuse(parsed, schema, expected);
  const out: JsonObject = { kind: expected.kind, apiVersion: apiVersionOf(expected) };
  for (const key in object) if (key !== 'apiVersion' && key !== 'kind') out[key] = object[key];
  return {
    object: out as T,
    warnings: warningsOf(inOrder(parsed, problems), expected, validation),
  };
}

/** The findings of parser and decoder, in the order of the text. */
function inOrder({ problems, placeOf }: ParsedBody, unknown: readonly FieldProblem[]): BodyProblem[] {
  const paths = new Set(unknown.map(({ path }) => path));
  // What is not known is no field that could stand twice.
  const known = problems.filter((problem) => problem.kind !== 'duplicate field' || !paths.has(problem.path));
  const all = [...known, ...unknown];
  return placeOf ? all.sort((left, right) => placeOf(left) - placeOf(right)) : all;
}

/** What to warn of. @throws {StatusError} 400 with `Strict`. */
export function warningsOf(
  problems: readonly BodyProblem[],
  expected: ExpectedKind,
  validation: FieldValidation,
): string[] {
  if (problems.length === 0 || validation === 'Ignore') return [];
  const texts = problems.map(problemText);
  if (validation === 'Warn') return texts;
  const repeated = problems.filter(({ kind }) => kind === 'repeated key').length;
  if (repeated > 0)
    texts.splice(0, repeated, `yaml: unmarshal errors:\n  ${texts.slice(0, repeated).join('\n  ')}`);
  throw cannotBeHandled(expected, `strict decoding error: ${texts.join(', ')}`);
}

function decodeOrRefuse({ value, literals }: ParsedBody, schema: string, expected: ExpectedKind) {
  try {
    return decode(schema, value, literals ? { literals } : {});
  } catch (error) {
    if (error instanceof DecodeError) throw new UnreadableBody(expected, error.message);
    throw error;
  }
}

/** A value is not of its field's type; what is refused for being unknown, or there twice, is not one of these. */
export class UnreadableBody extends StatusError {
  /** The decoder's own words, such as `illegal base64 data at input byte 4`. */
  readonly why: string;

  constructor(expected: ExpectedKind, why: string) {
    const { code, reason, message } = cannotBeHandled(expected, why);
    super(code, reason, message);
    this.why = why;
  }
}

export function cannotBeHandled(expected: ExpectedKind, why: string): StatusError {
  return badRequest(
    `${expected.kind} in version "${expected.version}" cannot be handled as a ${expected.kind}: ${why}`,
  );
}
