import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaNode } from '../../schema/schemas.ts';
import { checkExpression } from './check.ts';
import { typeOfNode } from './node-types.ts';
import { dyn } from './types.ts';

const variables = (kind: string) => {
  const object = typeOfNode(schemaNode(kind), kind.split('.').at(-1)!)!;
  return new Map([
    ['object', object],
    ['oldObject', object],
    ['params', dyn],
  ]);
};
const deployment = variables('io.k8s.api.apps.v1.Deployment');
const pod = variables('io.k8s.api.core.v1.Pod');

/** As an API server of 1.36 warns in the status of a policy. */
const cases: [about: typeof pod, expression: string, problems: string[]][] = [
  [deployment, 'object.spec.replicas < 5', []],
  [deployment, '"a".constructor(1)', ["16: undeclared reference to 'constructor' (in container '')"]],
  [deployment, 'object.spec.bogus < 5', ["12: undefined field 'bogus'"]],
  [deployment, 'has(object.spec.replica)', ["4: undefined field 'replica'"]],
  [deployment, 'object.metadata.labels["x"] == oldObject.metadata.label.y', ["50: undefined field 'label'"]],
  [
    deployment,
    'object.spec.template.spec.containers.all(c, c.image != c.imgae)',
    ["57: undefined field 'imgae'"],
  ],
  [deployment, 'object.spec.template.spec.containers[0].filter == 1', ["40: undefined field 'filter'"]],
  [
    deployment,
    "object.spec.replicas > '1'",
    ["22: found no matching overload for '_>_' applied to '(int, string)'"],
  ],
  [
    deployment,
    '"a" + object.metadata.name == object.spec.paused',
    ["28: found no matching overload for '_==_' applied to '(string, bool)'"],
  ],
  [deployment, 'object.spec.replicas + 1 > 2.5', []],
  [deployment, 'object.spec.strategy.rollingUpdate.maxSurge == "1"', []],
  [deployment, 'object.metadata.creationTimestamp > timestamp("2020-01-01T00:00:00Z")', []],
  [deployment, 'object.a == 1 || object.b == 1', ["7: undefined field 'a'", "24: undefined field 'b'"]],
  [deployment, 'object.spec.template.metadata.labels.all(k, k.size() < 5)', []],
  [
    deployment,
    'object.spec.replicas.size() > 1',
    ["26: found no matching overload for 'size' applied to 'int.()'"],
  ],
  // Quantities have no type of their own in upstream's definitions.
  [
    deployment,
    'object.spec.template.spec.containers.all(c, has(c.resources.limits))',
    ["48: undefined field 'limits'"],
  ],
  [deployment, 'object.metadata.managedFields.all(f, f.fieldsV1 != null)', []],
  [pod, 'object.spec.overhead.cpu == "1"', ["12: undefined field 'overhead'"]],
  [pod, 'object.?spec.?foo.hasValue()', ["13: undefined field 'foo'"]],
  [pod, 'dyn(object).foo == 1', []],
  [
    pod,
    'object.spec == object.metadata',
    ["13: found no matching overload for '_==_' applied to '(Pod.spec, Pod.metadata)'"],
  ],
  [
    pod,
    'object.spec.containers == [1]',
    ["24: found no matching overload for '_==_' applied to '(list(Pod.spec.containers.@idx), list(int))'"],
  ],
  [pod, 'object.spec.containers.exists(c, c.livenessProbe.httpGet.port == "x")', []],
];
for (const [about, expression, problems] of cases)
  test(`${expression} ${problems.length === 0 ? 'holds' : 'does not hold'}`, () => {
    const found = checkExpression(expression, about).problems;
    assert.deepEqual(
      found.map((text) => /^ERROR: <input>:1:(.*)\n/.exec(text)![1]),
      problems,
    );
  });
