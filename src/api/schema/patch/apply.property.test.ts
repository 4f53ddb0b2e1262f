import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../base/json-object.ts';
import { seededRandom } from '../../../base/random.ts';
import { StatusError } from '../../status.ts';
import { decode } from '../decode.ts';
import { difference, type FieldSet, intersection, readFieldSet, union } from '../fields/field-set.ts';
import { trackUpdate } from '../fields/managed-fields.ts';
import { compareTyped } from '../fields/typed-comparison.ts';
import { fieldsOf } from '../fields/typed-fields.ts';
import { mergeTyped } from '../fields/typed-merge.ts';
import { randomObject } from '../random-object.fake.ts';
import { schemaNode } from '../schemas.ts';
import { applyConfig } from './apply.ts';

const random = seededRandom(5);
const kinds = {
  Deployment: { schema: 'io.k8s.api.apps.v1.Deployment', apiVersion: 'apps/v1' },
  Service: { schema: 'io.k8s.api.core.v1.Service', apiVersion: 'v1' },
  ConfigMap: { schema: 'io.k8s.api.core.v1.ConfigMap', apiVersion: 'v1' },
  NetworkPolicy: { schema: 'io.k8s.api.networking.v1.NetworkPolicy', apiVersion: 'networking.k8s.io/v1' },
};
type Kind = keyof typeof kinds;

function request(kind: Kind, manager: string, force = false) {
  return { ...kinds[kind], kind, manager, subresource: '', time: '2026-01-01T00:00:00Z', force };
}

/** A config without what the server fills in, and without items that share a key. */
function randomConfig(kind: Kind): JsonObject {
  for (;;) {
    const { spec, data } = randomObject(schemaNode(kinds[kind].schema), random) as JsonObject;
    const config = {
      apiVersion: kinds[kind].apiVersion,
      kind,
      metadata: { name: 'x' },
      ...(spec ? { spec } : {}),
      ...(data ? { data } : {}),
    };
    try {
      applyConfig(undefined, config, request(kind, 'probe'));
      return config;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
  }
}

const decoded = (kind: Kind, object: JsonObject) => decode<JsonObject>(kinds[kind].schema, object).object;
const content = ({ metadata: _, ...rest }: JsonObject) => rest;

for (const kind of Object.keys(kinds) as Kind[]) {
  test(`${kind}: applying the same again changes nothing`, () => {
    for (let round = 0; round < 60; round++) {
      const config = randomConfig(kind);
      const once = decoded(kind, applyConfig(undefined, config, request(kind, 'one')));
      assert.deepEqual(decoded(kind, applyConfig(once, config, request(kind, 'one'))), once);
    }
  });

  test(`${kind}: what was applied is there, whatever was there before`, () => {
    for (let round = 0; round < 60; round++) {
      const live = decoded(kind, applyConfig(undefined, randomConfig(kind), request(kind, 'one')));
      const config = randomConfig(kind);
      const after = applyConfig(live, config, request(kind, 'two', true));
      const node = schemaNode(kinds[kind].schema);
      // Merging it again changes nothing.
      assert.deepEqual(content(mergeTyped(after, config, node)), content(after));
    }
  });

  test(`${kind}: a manager that applies nothing leaves nothing of its own behind`, () => {
    for (let round = 0; round < 60; round++) {
      const first = decoded(kind, applyConfig(undefined, randomConfig(kind), request(kind, 'one')));
      const second = decoded(kind, applyConfig(first, randomConfig(kind), request(kind, 'two', true)));
      const nothing = { apiVersion: kinds[kind].apiVersion, kind, metadata: { name: 'x' } };
      const after = decoded(kind, applyConfig(second, nothing, request(kind, 'two')));
      const entries = ((after.metadata as JsonObject).managedFields ?? []) as {
        manager: string;
        fieldsV1: unknown;
      }[];
      assert.deepEqual(
        entries.filter(({ manager }) => manager === 'two'),
        [],
      );
      const again = decoded(kind, applyConfig(after, nothing, request(kind, 'one')));
      assert.deepEqual((again.metadata as JsonObject).managedFields, undefined);
    }
  });

  test(`${kind}: after an update every change has one owner`, () => {
    for (let round = 0; round < 60; round++) {
      // The label is something to own: an object without managed fields is not tracked.
      const metadata = { name: 'x', labels: { a: 'b' } };
      const live = decoded(kind, { ...randomConfig(kind), metadata });
      trackUpdate(undefined, live, request(kind, 'one'));
      const next = decoded(kind, { ...randomConfig(kind), metadata: structuredClone(live.metadata) });
      trackUpdate(live, next, request(kind, 'two'));
      const { modified, added } = compareTyped(content(live), content(next), schemaNode(kinds[kind].schema));
      const entries = ((next.metadata as JsonObject).managedFields ?? []) as {
        manager: string;
        fieldsV1: FieldSet;
      }[];
      const one = entries.find(({ manager }) => manager === 'one')?.fieldsV1;
      const two = entries.find(({ manager }) => manager === 'two')?.fieldsV1;
      const changed = union(modified, added);
      assert.equal(difference(changed, two), undefined);
      assert.equal(intersection(changed, one), undefined);
    }
  });
}

test('sets of fields obey the laws of sets', () => {
  const node = schemaNode(kinds.Deployment.schema);
  const randomSet = () => fieldsOf(randomConfig('Deployment'), node);
  for (let round = 0; round < 200; round++) {
    const [a, b] = [randomSet(), randomSet()];
    assert.deepEqual(union(a, a), a);
    assert.deepEqual(intersection(a, a), a);
    assert.equal(difference(a, a), undefined);
    assert.deepEqual(union(difference(a, b), intersection(a, b)), a);
    assert.equal(intersection(difference(a, b), b), undefined);
    assert.deepEqual(union(a, b), union(b, a));
    if (a) assert.deepEqual(readFieldSet(JSON.parse(JSON.stringify(a))), a);
  }
});
