/** How a custom resource's version is read: pruned and defaulted by the schema that its definition states. */

import type { KubeObject } from '../../api/meta.ts';
import { cannotBeHandled, warningsOf } from '../../api/schema/body/body.ts';
import {
  checkCustomBody,
  checkCustomKind,
  type ExpectedKind,
  unreadableType,
} from '../../api/schema/body/body-kind.ts';
import { type FieldProblem, unknownField } from '../../api/schema/body/body-problem.ts';
import { tooLargeNumberIn } from '../../api/schema/body/number-literals.ts';
import { asJsonObject, asKubeObject, DecodeError, setKey } from '../../api/schema/decode.ts';
import { cloneJson, sortedKeys } from '../../api/schema/json-value.ts';
import { patchJson, patchWarnings, refusedPatch } from '../../api/schema/patch/patch.ts';
import { internalError, type StatusError } from '../../api/status.ts';
import { applyStructuralDefaults, hasDefaults } from '../../api/structural/default.ts';
import { decodeEmbedded, decodeMetadata, holdsEmbedded } from '../../api/structural/embedded.ts';
import { isPruned, pruneResource } from '../../api/structural/prune.ts';
import type { StructuralSchema } from '../../api/structural/schema.ts';
import { resourceNode } from '../../api/structural/schema-node.ts';
import { goJson } from '../../api/validation/error-value.ts';
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import type { ResourceCodec } from '../registry/conversion/codec.ts';

type Refusal = (why: string) => StatusError;

interface Shaped {
  object: KubeObject;
  problems: FieldProblem[];
}

const blank: JsonObject = {};

/** Upstream takes it for a failure of its own. */
const missingVersion = "Object 'apiVersion' is missing in 'object has no apiVersion field'";

/**
 * @param schema undefined when the definition keeps all fields (v1beta1's preserveUnknownFields)
 * @param selectable fields that clients may select by, such as `spec.color`
 */
export function customCodec(
  expected: ExpectedKind,
  schema: StructuralSchema | undefined,
  selectable: readonly string[],
): ResourceCodec {
  const fields = resourceNode(schema);
  /** The values of `settled` are frozen, and as they should be. @throws {StatusError} by `refuse` */
  const shape = (value: JsonObject, refuse: Refusal, settled: JsonObject = {}): Shaped => {
    const isSettled = (key: string) => typeof value[key] === 'object' && value[key] === settled[key];
    const changed: JsonObject = {};
    for (const key in value) if (!isSettled(key)) setKey(changed, key, cloneJson(value[key]));
    const unknown = readMetadata(changed, refuse).concat(
      schema ? pruneResource(schema, changed).sort() : [],
      schema ? reading(refuse, () => decodeEmbedded(schema, changed)) : [],
    );
    const object: JsonObject = {};
    for (const key in value)
      if (isSettled(key)) setKey(object, key, value[key]);
      else if (Object.hasOwn(changed, key)) setKey(object, key, changed[key]);
    object.metadata = changed.metadata;
    return { object: asKubeObject(object), problems: unknown.map(unknownField) };
  };
  const mayShare = !schema || !holdsEmbedded(schema);
  return {
    fields,
    openApiSchema: {
      ...(schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
      ...(selectable.length > 0 && {
        'x-kubernetes-selectable-fields': selectable.map((fieldPath) => ({ fieldPath })),
      }),
    },
    decode(parsed, validation) {
      if (!parsed.value.kind) throw missingKind(expected, parsed.value);
      checkCustomBody(parsed.value, expected);
      const tooLarge = tooLargeNumberIn(parsed.literals);
      if (tooLarge !== undefined)
        throw cannotBeHandled(
          expected,
          `json: cannot unmarshal number ${tooLarge} into Go value of type float64`,
        );
      const { object, problems } = shape(parsed.value, (why) => cannotBeHandled(expected, why));
      return { object, warnings: warningsOf([...parsed.problems, ...problems], expected, validation) };
    },
    patch(current, patch, validation) {
      const patched = patchJson({ ...current }, patch, undefined);
      const shown = () => goJson(sortedKeys(patched));
      const refuse = (why: string) => refusedPatch(shown(), why);
      const unreadable = unreadableType(patched);
      if (unreadable || !isJsonObject(patched)) throw refuse(unreadable ?? '');
      if (!patched.kind) throw refuse(`Object 'Kind' is missing in '${shown()}'`);
      if (!patched.apiVersion) throw internalError(missingVersion);
      checkCustomKind(patched, expected);
      const { metadata: _, ...settled } = mayShare && Object.isFrozen(current) ? current : blank;
      const { object, problems } = shape(patched, refuse, settled);
      return { object, warnings: patchWarnings(patch, problems, { validation, refuse }) };
    },
    setDefaults(object, options) {
      if (schema) applyStructuralDefaults(schema, object, options);
    },
    isFresh(stored) {
      return !schema || (isPruned(schema, asJsonObject(stored)) && hasDefaults(schema, stored));
    },
    prune(converted) {
      if (!schema) return converted;
      const known = cloneJson(converted);
      pruneResource(schema, asJsonObject(known));
      return known;
    },
    refresh(stored) {
      if (!schema) return stored;
      const fresh = cloneJson(stored);
      pruneResource(schema, asJsonObject(fresh));
      applyStructuralDefaults(schema, fresh);
      return fresh;
    },
  };
}

function missingKind(expected: ExpectedKind, value: JsonObject) {
  const shown = JSON.stringify(value);
  return cannotBeHandled(expected, `unmarshalerDecoder: Object 'Kind' is missing in '${shown}'`);
}

/** Returns the paths of what metadata does not know, sorted. */
function readMetadata(object: JsonObject, refuse: Refusal): string[] {
  const { metadata, unknown } = reading(refuse, () => decodeMetadata(object.metadata));
  object.metadata = metadata;
  return unknown.map((name) => `metadata.${name}`).sort();
}

function reading<T>(refuse: Refusal, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error.message);
    throw error;
  }
}
