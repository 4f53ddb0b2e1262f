import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { seededRandom } from '../../../base/random.ts';
import { decode } from '../decode.ts';
import { equalJson } from '../json-value.ts';
import { randomObject } from '../random-object.fake.ts';
import { type SchemaNode, schemaNode } from '../schemas.ts';
import { applyJsonPatch, type JsonPatchOperation } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const random = seededRandom(99);
const podSchema = 'io.k8s.api.core.v1.Pod';
const podNode = schemaNode(podSchema);
const randomPod = () =>
  withoutSharedKeys(
    decode<JsonObject>(podSchema, randomObject(podNode, random)).object,
    podNode,
  ) as JsonObject;

/** Items of a merged list that share their key, or have none, are indistinguishable. */
function withoutSharedKeys(value: unknown, node: SchemaNode | undefined): unknown {
  if (!isJsonObject(value) || !node) return value;
  const out: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const field = node.fields?.get(key);
    const child = field?.node ?? node.element;
    if (!Array.isArray(item)) out[key] = withoutSharedKeys(item, child);
    else {
      const mergeKey = field?.patchMergeKey;
      const identity = (entry: unknown) => (mergeKey ? (entry as JsonObject)[mergeKey] : entry);
      const known = item.filter((entry) => identity(entry) !== undefined);
      const unique = field?.patchMerge
        ? [...new Map(known.map((entry) => [identity(entry), entry])).values()]
        : item;
      out[key] = unique.map((entry) => withoutSharedKeys(entry, child?.element));
    }
  }
  return out;
}

/** The merge patch that turns `before` into `after`; neither has nulls. */
function mergeDifference(before: JsonObject, after: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[key], after[key]];
    if (equalJson(old, next)) continue;
    if (next === undefined) patch[key] = null;
    else patch[key] = isJsonObject(old) && isJsonObject(next) ? mergeDifference(old, next) : next;
  }
  return patch;
}

/** The same as operations, in an order in which each applies. */
function* operationsBetween(before: JsonObject, after: JsonObject, path = ''): Generator<JsonPatchOperation> {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[key], after[key]];
    const at = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (equalJson(old, next)) yield { op: 'test', path: at, value: next ?? null };
    else if (next === undefined) yield { op: 'remove', path: at };
    else if (old === undefined) yield { op: 'add', path: at, value: next };
    else if (isJsonObject(old) && isJsonObject(next)) yield* operationsBetween(old, next, at);
    else yield { op: 'replace', path: at, value: next };
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item)]));
}

test('a merge patch of what differs makes one object of another', () => {
  for (let round = 0; round < 100; round++) {
    const before = withoutNulls(randomPod()) as JsonObject;
    const after = withoutNulls(randomPod()) as JsonObject;
    assert.deepEqual(applyMergePatch(before, mergeDifference(before, after)), after);
  }
});

test('a JSON patch of what differs makes one object of another', () => {
  for (let round = 0; round < 100; round++) {
    const [before, after] = [randomPod(), randomPod()];
    assert.deepEqual(applyJsonPatch(before, [...operationsBetween(before, after)]), after);
  }
});

test('a patch that was applied changes nothing when it is applied again', () => {
  for (let round = 0; round < 100; round++) {
    const [document, patch] = [randomPod(), withoutNulls(randomPod()) as JsonObject];
    const merged = applyMergePatch(document, patch);
    assert.deepEqual(applyMergePatch(merged, patch), merged);
    const strategic = applyStrategicMergePatch(document, patch, podNode);
    assert.deepEqual(applyStrategicMergePatch(strategic, patch, podNode), strategic);
  }
});

test('an empty patch changes nothing, and a patch of an empty object makes the patch', () => {
  for (let round = 0; round < 100; round++) {
    const pod = randomPod();
    assert.deepEqual(applyStrategicMergePatch(pod, {}, podNode), pod);
    const plain = withoutNulls(pod) as JsonObject;
    assert.deepEqual(applyStrategicMergePatch({}, plain, podNode), plain);
    assert.deepEqual(applyMergePatch({}, plain), plain);
  }
});
