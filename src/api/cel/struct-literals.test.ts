import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withMapsForObjects } from './struct-literals.ts';

const cases: [string, string][] = [
  ['object.spec.x == 1', 'object.spec.x == 1'],
  [
    'Object{spec: Object . spec{replicas: 3}}',
    '__named__("Object", {"spec": __named__("Object.spec", {"replicas": 3})})',
  ],
  ['Object {}.a', '__named__("Object", {}).a'],
  [
    '[JSONPatch{op: "add", path: "/a{b: c}", value: {"k": x}}]',
    '[{"op": "add", "path": "/a{b: c}", "value": {"k": x}}]',
  ],
  [
    'Object{a: has(object.b) ? object.b : c, d: [Object.d{e: f(g, h)}]}',
    '__named__("Object", {"a": has(object.b) ? object.b : c, "d": [__named__("Object.d", {"e": f(g, h)})]})',
  ],
  ['Object{?a: object.?b}', '__named__("Object", {?"a": object.?b})'],
  [
    'Object{m: {x: y, "Object{a: 1}": 2}} // Object{b: 1}',
    '__named__("Object", {"m": {x: y, "Object{a: 1}": 2}}) // Object{b: 1}',
  ],
  ['Objects{a: 1}', 'Objects{a: 1}'],
];

for (const [source, expected] of cases)
  test(`${source} is read as ${expected}`, () => assert.equal(withMapsForObjects(source), expected));
