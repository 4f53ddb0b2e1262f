import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../base/json-object.ts';
import { schemaNode } from '../schemas.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const podSpec = schemaNode('io.k8s.api.core.v1.PodSpec');
const meta = schemaNode('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');

const spec: JsonObject = {
  containers: [
    {
      name: 'c',
      image: 'i1',
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      args: ['x', 'y'],
    },
    { name: 'd', image: 'i2' },
  ],
  volumes: [
    { name: 'v', emptyDir: {} },
    { name: 'w', configMap: { name: 'm' } },
  ],
  imagePullSecrets: [{ name: 'p' }],
};

const patched = (patch: JsonObject, document = spec, node = podSpec) =>
  applyStrategicMergePatch(document, patch, node);
const names = (list: unknown) => (list as { name: string }[]).map((item) => item.name);

test('an item of a merged list is found by its merge key', () => {
  const result = patched({ containers: [{ name: 'c', image: 'new' }] });
  assert.equal((result.containers as JsonObject[])[0]!.image, 'new');
  assert.deepEqual((result.containers as JsonObject[])[0]!.args, ['x', 'y']);
  assert.deepEqual(names(result.containers), ['c', 'd']);
});

test('an item that is new comes first among what the patch does not name', () => {
  assert.deepEqual(names(patched({ containers: [{ name: 'e' }] }).containers), ['e', 'c', 'd']);
});

test('$patch: delete takes an item out, and an absent one is no error', () => {
  assert.deepEqual(names(patched({ containers: [{ name: 'c', $patch: 'delete' }] }).containers), ['d']);
  assert.deepEqual(names(patched({ containers: [{ name: 'z', $patch: 'delete' }] }).containers), ['c', 'd']);
});

test('$patch: replace replaces a list or an object', () => {
  const list = patched({ containers: [{ name: 'z' }, { $patch: 'replace' }] });
  assert.deepEqual(list.containers, [{ name: 'z' }]);
  const object = patched({ $patch: 'replace', nodeName: 'n' });
  assert.deepEqual(object, { nodeName: 'n' });
});

test('$setElementOrder orders the list as stated', () => {
  const patch = {
    '$setElementOrder/containers': [{ name: 'd' }, { name: 'c' }],
    containers: [{ name: 'c', image: 'n' }],
  };
  assert.deepEqual(names(patched(patch).containers), ['d', 'c']);
});

test('$setElementOrder must agree with the order of the patch', () => {
  const patch = { '$setElementOrder/containers': [{ name: 'd' }], containers: [{ name: 'c' }] };
  assert.throws(() => patched(patch), /doesn't match \$setElementOrder list/);
});

test('$retainKeys drops every other key of the item', () => {
  const patch = { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] };
  assert.deepEqual((patched(patch).volumes as JsonObject[])[0], { name: 'v', hostPath: { path: '/x' } });
  const bad = { volumes: [{ name: 'v', $retainKeys: ['name'], hostPath: { path: '/x' } }] };
  assert.throws(() => patched(bad), { message: 'invalid patch format of retainKeys' });
});

test('$deleteFromPrimitiveList takes values out of a list that is merged, and replaces another', () => {
  const patch = { containers: [{ name: 'c', '$deleteFromPrimitiveList/args': ['x'] }] };
  assert.deepEqual((patched(patch).containers as JsonObject[])[0]!.args, ['x']);
  const finalizers = patched(
    { '$deleteFromPrimitiveList/finalizers': ['a'] },
    { finalizers: ['a', 'b'] },
    meta,
  );
  assert.deepEqual(finalizers, { finalizers: ['b'] });
});

test('a list without a merge strategy is replaced, a set of values is united', () => {
  const args = patched({ containers: [{ name: 'c', args: ['z'] }] });
  assert.deepEqual((args.containers as JsonObject[])[0]!.args, ['z']);
  assert.deepEqual(patched({ finalizers: ['b', 'c'] }, { finalizers: ['a', 'b'] }, meta), {
    finalizers: ['a', 'b', 'c'],
  });
});

test('null removes a field', () => {
  assert.equal('imagePullSecrets' in patched({ imagePullSecrets: null }), false);
});

test('an item without its merge key is refused in upstream words', () => {
  assert.throws(() => patched({ containers: [{ image: 'x' }] }), {
    message: 'map: map[image:x] does not contain declared merge key: name',
  });
});

test('the document and the patch stay as they were', () => {
  const document = structuredClone(spec);
  const patch = { containers: [{ name: 'c', $retainKeys: ['name'] }] };
  const before = structuredClone(patch);
  applyStrategicMergePatch(document, patch, podSpec);
  assert.deepEqual(document, spec);
  assert.deepEqual(patch, before);
});

test('a hostile patch of many items takes time in proportion to its size', () => {
  const many = Array.from({ length: 50_000 }, (_, index) => ({ name: `n${index}` }));
  const before = process.cpuUsage();
  patched({ containers: many }, { containers: many });
  assert.ok(process.cpuUsage(before).user / 1000 < 3000);
});
