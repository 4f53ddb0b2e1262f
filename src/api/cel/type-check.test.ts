import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaNode } from '../schema/schemas.ts';
import { TypeChecker } from './type-check.ts';

const deployment = schemaNode('io.k8s.api.apps.v1.Deployment');
const names = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'];
const checker = new TypeChecker(names, { object: deployment, oldObject: deployment }, [
  { name: 'containers', expression: 'object.spec.template.spec.containers' },
  { name: 'replicas', expression: 'object.spec.replicas' },
]);

const cases: [string, string[]][] = [
  ['object.spec.replicas < 5', []],
  ['object.spec.bogus < 5', ["12: undefined field 'bogus'"]],
  ['has(object.spec.replica)', ["16: undefined field 'replica'"]],
  ['object.metadata.labels.anything == "x"', []],
  ['object.metadata.labels["x"] == oldObject.metadata.label.y', ["50: undefined field 'label'"]],
  ['object.spec.template.spec.containers.all(c, c.image != c.imgae)', ["57: undefined field 'imgae'"]],
  ['variables.containers.exists(c, c.nam == "x")', ["33: undefined field 'nam'"]],
  ['object.spec.template.spec.containers.all(i, c, i > 0 || c.x == 1)', ["58: undefined field 'x'"]],
  ['object.spec.template.spec.containers[0].filter == 1', ["40: undefined field 'filter'"]],
  ['request.anything == params.anything && namespaceObject.x', []],
  ["object.spec.replicas > '1'", ["22: found no matching overload for '_>_' applied to '(int, string)'"]],
  [
    "'wants more than ' + variables.replicas",
    ["20: found no matching overload for '_+_' applied to '(string, int)'"],
  ],
  [
    '"a" + object.metadata.name == object.spec.paused',
    ["28: found no matching overload for '_==_' applied to '(string, bool)'"],
  ],
  ['object.spec.replicas + 1 > 2.5 && object.spec.strategy.rollingUpdate.maxSurge == "1"', []],
  ['object.metadata.creationTimestamp > timestamp("2020-01-01T00:00:00Z") && size(object) > 1', []],
  ['object.a == 1 || object.b == 1', ["7: undefined field 'a'", "24: undefined field 'b'"]],
];

for (const [expression, expected] of cases)
  test(`of a Deployment: ${expression}`, () => {
    const found = checker.problemsOf(expression).map((text) => /^ERROR: <input>:1:(.*)\n/.exec(text)![1]);
    assert.deepEqual(found, expected);
  });

test('a problem is shown at its place, as upstream shows it', () => {
  assert.deepEqual(checker.problemsOf('object.spec.replicas > 1 &&\n  object.foo > 1'), [
    "ERROR: <input>:2:9: undefined field 'foo'\n |   object.foo > 1\n | ........^",
  ]);
});
