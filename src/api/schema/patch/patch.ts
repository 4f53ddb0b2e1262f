/** From the bytes of a PATCH request and the current object to the patched one. Apply patches are in apply.ts. */

import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { apiVersionOf } from '../../meta.ts';
import { badRequest, invalid, StatusError, tooLarge } from '../../status.ts';
import { invalidValue } from '../../validation/field-error.ts';
import { bodySizeBytesMax, type DecodedBody, type FieldValidation } from '../body/body.ts';
import { type ExpectedKind, otherKind, unreadableType } from '../body/body-kind.ts';
import { type BodyProblem, problemText, unknownField } from '../body/body-problem.ts';
import { JsonError, type ParsedText, parseJson } from '../body/json.ts';
import { type NumberLiterals, oddNumbersIn, tooLargeNumberIn } from '../body/number-literals.ts';
import { DecodeError, decode, jsonTypeOf } from '../decode.ts';
import { goText } from '../json-value.ts';
import { type SchemaNode, schemaNode } from '../schemas.ts';
import {
  applyJsonPatch,
  JsonPatchError,
  type JsonPatchOperation,
  literalsSetBy,
  operationsMax,
} from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

export type JsonPatchFormat = 'json' | 'merge' | 'strategic';

/** A patch that can be applied again and again, e.g. after a lost compare-and-swap. */
export type ParsedPatch =
  | {
      format: 'json';
      operations: JsonPatchOperation[];
      problems: BodyProblem[];
      literals?: NumberLiterals | undefined;
    }
  | {
      format: 'merge' | 'strategic';
      patch: JsonObject;
      problems: BodyProblem[];
      literals?: NumberLiterals | undefined;
    };

/** @throws {StatusError} 400, 413 */
export function parsePatch(bytes: Uint8Array, format: JsonPatchFormat): ParsedPatch {
  if (bytes.length > bodySizeBytesMax) throw tooLarge(`limit is ${bodySizeBytesMax}`);
  const text = Buffer.from(bytes).toString('utf8');
  const { value, problems } = parseText(text, format);
  const literals = oddNumbersIn(text);
  const unfit = tooLargeNumberIn(literals);
  if (unfit !== undefined) {
    const where = format === 'json' ? 'struct field jsonPatchOp.value' : 'value';
    throw badRequest(
      `${decoding(format)}json: cannot unmarshal number ${unfit} into Go ${where} of type float64`,
    );
  }
  return { ...checkPatch(value, format, problems), literals };
}

/** The same for a patch that is already parsed. @throws {StatusError} 400, 413 */
export function checkPatch(
  value: unknown,
  format: JsonPatchFormat,
  problems: BodyProblem[] = [],
): ParsedPatch {
  if (format === 'json') {
    return { format, operations: checkOperations(value), problems };
  }
  // Nothing at all is an empty patch to Go's map.
  if (value === null && format === 'strategic') return { format, patch: {}, problems };
  if (!isJsonObject(value)) {
    const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
    // null reaches the patch library, which has its own message.
    if (format === 'merge' && value === null) throw badRequest('Invalid JSON Patch');
    throw badRequest(
      `${decoding(format)}json: cannot unmarshal ${found} into Go value of type map[string]interface {}`,
    );
  }
  return { format, patch: value, problems };
}

/** A strategic patch is decoded elsewhere in upstream, which says nothing more. */
function decoding(format: JsonPatchFormat): string {
  return format === 'strategic' ? '' : 'error decoding patch: ';
}

function parseText(text: string, format: JsonPatchFormat): ParsedText {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw badRequest(decoding(format) + error.message);
  }
}

function checkOperations(value: unknown): JsonPatchOperation[] {
  if (value === null) return [];
  if (!Array.isArray(value)) {
    throw badRequest(`${cannotUnmarshal(value)} []handlers.jsonPatchOp`);
  }
  const operations = value.map(operationOf);
  if (operations.length > operationsMax)
    throw tooLarge(
      `The allowed maximum operations in a JSON patch is ${operationsMax}, got ${operations.length}`,
    );
  return operations;
}

const textFields: ReadonlySet<string> = new Set(['op', 'path', 'from']);

function operationOf(item: unknown): JsonPatchOperation {
  // To Go, nothing is an operation of which nothing is said.
  const operation = item === null ? {} : item;
  if (!isJsonObject(operation)) throw badRequest(`${cannotUnmarshal(item)} handlers.jsonPatchOp`);
  for (const [name, value] of Object.entries(operation))
    if (textFields.has(name) && value !== null && typeof value !== 'string')
      throw badRequest(
        `${decoding('json')}json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field jsonPatchOp.${name} of type string`,
      );
  return operation as unknown as JsonPatchOperation;
}

function cannotUnmarshal(value: unknown): string {
  return `${decoding('json')}json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type`;
}

/**
 * The patched value, not decoded: what custom resources need. `node` is for strategic merge patches.
 * @throws {StatusError} 400, 422
 */
export function patchJson(current: JsonObject, patch: ParsedPatch, node: SchemaNode | undefined): unknown {
  if (patch.format === 'json') {
    try {
      return applyJsonPatch(current, patch.operations, patch.literals);
    } catch (error) {
      if (!(error instanceof JsonPatchError)) throw error;
      // Upstream says no more than this, whatever the operation was.
      const message = 'the server rejected our request due to an error in our request';
      throw new StatusError(422, 'Invalid', message, { details: {} });
    }
  }
  if (patch.format === 'merge') return applyMergePatch(current, patch.patch);
  if (!node) throw badRequest('strategic merge patch format is not supported');
  return applyStrategicMergePatch(current, patch.patch, node);
}

/** What the patched object must be. */
export interface PatchTarget {
  expected: ExpectedKind;
  /** The name of its definition. */
  schema: string;
  validation: FieldValidation;
}

/**
 * Patches and decodes. `current` is in the target's version and stays as it is; what a strategic patch leaves alone is
 * shared with it.
 * @throws {StatusError} 400, 422
 */
export function applyPatch<T = JsonObject>(
  current: JsonObject,
  patch: ParsedPatch,
  { schema, expected, validation }: PatchTarget,
): DecodedBody<T> {
  const patched = patchJson(current, patch, schemaNode(schema));
  const refuse = (why: string) =>
    refusedPatch(patch.format === 'strategic' ? goText(patch.patch) : JSON.stringify(patched), why);
  const typed =
    patch.format === 'strategic' && isJsonObject(patched)
      ? { ...patched, kind: expected.kind, apiVersion: apiVersionOf(expected) }
      : typedAs(expected, patched, refuse);
  if (!typed.apiVersion) throw ofNoVersion(typed, current, { validation, refuse });
  try {
    const { object, problems } = decode<T>(
      schema,
      typed,
      patch.format === 'strategic' ? { words: 'conversion', decoded: current } : literalsOf(patch),
    );
    return { object, warnings: patchWarnings(patch, problems, { validation, refuse }) };
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error.message);
    throw error;
  }
}

/** Where the patched object has numbers as the patch wrote them. */
function literalsOf(patch: ParsedPatch): { literals?: NumberLiterals } {
  const { literals } = patch;
  if (!literals) return {};
  return { literals: patch.format === 'json' ? literalsSetBy(patch.operations, literals) : literals };
}

type Refusal = (why: string) => StatusError;

/** With the kind that is assumed where none is said. @throws {StatusError} by `refuse` */
function typedAs(expected: ExpectedKind, patched: unknown, refuse: Refusal): JsonObject {
  const unreadable = unreadableType(patched);
  if (unreadable) throw refuse(unreadable);
  const { kind, apiVersion } = patched as { kind?: string; apiVersion?: string };
  const typed = { kind, ...(patched as JsonObject), ...(!kind && { kind: expected.kind }) };
  if (!apiVersion) return typed;
  const problem = otherKind(apiVersion, kind || expected.kind, expected);
  if (problem) throw refuse(problem);
  const wanted = apiVersionOf(expected);
  if (apiVersion !== wanted)
    throw refuse(
      `unable to decode ${apiVersion}, Kind=${expected.kind} into ${wanted}, Kind=${expected.kind}`,
    );
  return typed;
}

/**
 * What says no version is taken by upstream for its internal form of the kind, which has other names for all fields: an
 * object without a name.
 */
function ofNoVersion(
  { kind: _kind, apiVersion: _version, ...fields }: JsonObject,
  { metadata }: JsonObject,
  { validation, refuse }: { validation: FieldValidation; refuse: Refusal },
): StatusError {
  const unknown = Object.keys(fields).sort().map(unknownField).map(problemText);
  if (validation === 'Strict') return refuse(`strict decoding error: ${unknown.join(', ')}`);
  const { name } = (isJsonObject(metadata) ? metadata : {}) as { name?: string };
  return badRequest(
    `the name of the object (${name ?? ''} based on URL) was undeterminable: name must be provided`,
  );
}

/** `shown`: what the patch makes, as text. */
export function refusedPatch(shown: string, why: string): StatusError {
  return invalid({ group: '', kind: '' }, '', [invalidValue('patch', shown, why)]);
}

/** What is wrong with the patch itself, and the `problems` of what it makes. @throws {StatusError} with Strict */
export function patchWarnings(
  patch: ParsedPatch,
  problems: readonly BodyProblem[],
  { validation, refuse }: { validation: FieldValidation; refuse: Refusal },
): string[] {
  const all = [...patchProblems(patch), ...problems.map(problemText)];
  if (all.length > 0 && validation === 'Strict') throw refuse(`strict decoding error: ${all.join(', ')}`);
  return validation === 'Warn' ? all : [];
}

function patchProblems(patch: ParsedPatch): string[] {
  const texts = patch.problems.map(problemText);
  if (patch.format !== 'json') return texts;
  const unknown = unknownOperationFields(patch.operations).map(problemText);
  return [...texts, ...unknown].map((text) => `json patch ${text}`);
}

const operationFields = new Set(['op', 'path', 'from', 'value']);

function unknownOperationFields(operations: readonly JsonPatchOperation[]): BodyProblem[] {
  return operations.flatMap((operation, index) =>
    Object.keys(operation)
      .filter((name) => !operationFields.has(name))
      .map((name) => unknownField(`[${index}].${name}`)),
  );
}
