/** How a custom resource's version is read: pruned and defaulted by the schema that its definition states. */
import type { KubeObject } from '../../api/meta.ts';
import { cannotBeHandled, judgeProblems } from '../../api/schema/body.ts';
import { checkCustomKind, type ExpectedKind } from '../../api/schema/body-kind.ts';
import { asJsonObject, DecodeError, decode, type JsonObject } from '../../api/schema/decode.ts';
import { cloneJson } from '../../api/schema/json-value.ts';
import { patchJson } from '../../api/schema/patch.ts';
import { badRequest } from '../../api/status.ts';
import { applyStructuralDefaults } from '../../api/structural/default.ts';
import { pruneResource } from '../../api/structural/prune.ts';
import {
  isEmbeddedResource,
  isJsonObject,
  itemSchema,
  propertySchema,
  type StructuralSchema,
} from '../../api/structural/schema.ts';
import { resourceNode } from '../../api/structural/schema-node.ts';
import type { ResourceCodec } from '../registry/codec.ts';

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/**
 * @param schema undefined when the definition keeps whatever it is given (v1beta1's preserveUnknownFields)
 * @param selectable fields that clients may select by, such as `spec.color`
 */
export function customCodec(
  expected: ExpectedKind,
  schema: StructuralSchema | undefined,
  selectable: readonly string[],
): ResourceCodec {
  const fields = resourceNode(schema);
  const shape = (value: JsonObject): { object: KubeObject; problems: string[] } => {
    checkCustomKind(value, expected);
    const object = cloneJson(value);
    const problems = schema
      ? pruneResource(schema, object).map((path) => `unknown field ${JSON.stringify(path)}`)
      : [];
    object.metadata = decodeMetadata(expected, object.metadata, 'metadata', problems);
    if (schema) decodeEmbedded(schema, object);
    return { object: object as unknown as KubeObject, problems };
  };
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
      const { object, problems } = shape(parsed.value);
      return { object, warnings: judgeProblems([...parsed.problems, ...problems], expected, validation) };
    },
    patch(current, patch, validation) {
      const { object, problems } = shape(patchJson({ ...current }, patch, undefined));
      return { object, warnings: judgeProblems(problems, expected, validation) };
    },
    setDefaults(object) {
      if (schema) applyStructuralDefaults(schema, object);
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
  return badRequest(
    `${expected.kind} in version "${expected.version}" cannot be handled as a ${expected.kind}: unmarshalerDecoder: Object 'Kind' is missing in '${shown}'`,
  );
}

function decodeMetadata(
  expected: ExpectedKind,
  value: unknown,
  path: string,
  problems: string[],
): JsonObject {
  try {
    const decoded = decode(objectMeta, value ?? {});
    problems.push(...decoded.problems.map((problem) => problem.replace('"', `"${path}.`)));
    return decoded.object;
  } catch (error) {
    if (error instanceof DecodeError) throw cannotBeHandled(expected, error.message);
    throw error;
  }
}

/** Metadata of embedded resources keeps what metadata has; what cannot be metadata at all is dropped. */
function decodeEmbedded(schema: StructuralSchema, value: unknown): void {
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (items) for (const item of value) decodeEmbedded(items, item);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, child] of Object.entries(value)) {
    const property = propertySchema(schema, key);
    if (!property) continue;
    if (isEmbeddedResource(property) && isJsonObject(child) && child.metadata !== undefined) {
      child.metadata = embeddedMetadata(child.metadata);
    }
    decodeEmbedded(property, child);
  }
}

function embeddedMetadata(value: unknown): JsonObject {
  if (!isJsonObject(value)) return {};
  const kept: JsonObject = {};
  for (const [key, field] of Object.entries(value)) {
    try {
      Object.assign(kept, decode(objectMeta, { [key]: field }).object);
    } catch (error) {
      // A field of the wrong type is dropped, as upstream's coercion does.
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return kept;
}
