import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExpressionScope } from './expression-types.ts';
import { validateExpression, wantsBool } from './expressions.ts';

const scope = { hasParams: true, hasAuthorizer: true, variables: new Map() };
const problemOf = (expression: string, more: Partial<ExpressionScope> = {}) => {
  const wanted = { ...wantsBool, scope: { ...scope, ...more }, whenEmpty: '' };
  return [...validateExpression(expression, 'x', wanted)].map(({ detail }) => detail)[0];
};

test('expressions of every day pass', () => {
  const expressions = [
    'object.spec.template.spec.containers.all(c, c.image.startsWith("registry.example.com/"))',
    'has(object.metadata.labels) && "team" in object.metadata.labels',
    'object.spec.replicas <= params.maxReplicas',
    'request.userInfo.groups.exists(g, g == "system:masters")',
    'oldObject == null || object.spec == oldObject.spec',
    'quantity(object.spec.size).isLessThan(quantity("10Gi"))',
    'timestamp(object.a) - timestamp(object.b) < duration("1h")',
    'object.?metadata.?annotations[?"x"].orValue("") == "a"',
    '"%s has %d".format(["x", 3]) == "x has 3"',
    'object.spec.ports.map(p, p.port > 3, p.port).sum() > 5',
    'authorizer.group("").resource("pods").namespace("a").check("get").allowed()',
    'authorizer.requestResource.check("delete").reason() == ""',
    'namespaceObject.metadata.labels["a"] == "b"',
    'object.list.exists(i, v, v == i) && object.list.slice(0, 1) == [1]',
    'url(object.link).getHost() == "example.com" && ip(object.a).family() == 4',
  ];
  for (const expression of expressions) assert.equal(problemOf(expression), undefined, expression);
});

test('the error of an expression has its position', () => {
  assert.equal(problemOf('object.x'), 'Invalid value: "object.x": must evaluate to bool but got dyn');
  assert.equal(
    problemOf('request.foo == 1'),
    `Invalid value: "request.foo == 1": compilation failed: ERROR: <input>:1:8: undefined field 'foo'\n | request.foo == 1\n | .......^`,
  );
  assert.equal(problemOf('null'), 'Invalid value: "null": must evaluate to bool but got null_type');
  assert.match(
    problemOf('params.x == 1', { hasParams: false })!,
    /undeclared reference to 'params' \(in container ''\)/,
  );
  assert.equal(problemOf(' '), 'Required value');
});

test('a constant that cannot be is refused when the expression is written', () => {
  const failed = (why: string) => `Internal error: program instantiation failed: ${why}`;
  assert.equal(problemOf('int("x") == 1'), failed("type conversion error from 'string' to 'int'"));
  assert.equal(problemOf('object.a.find("[") == ""'), failed('error parsing regexp: missing closing ]: `[`'));
});

test('only the expressions of mutations may make objects and patches', () => {
  const rows: [string, string[]][] = [
    ['Object{} != null', ["undeclared reference to 'Object'"]],
    ['Object.spec{a: 1}.a == 1', ["undeclared reference to 'Object.spec'"]],
    ['JSONPatch{op: "add"}.op == "add"', ["undeclared reference to 'JSONPatch'"]],
    [
      'jsonpatch.escapeKey("/") == "~1"',
      ["undeclared reference to 'jsonpatch'", "undeclared reference to 'escapeKey'"],
    ],
  ];
  for (const [expression, wanted] of rows) {
    const problems = problemOf(expression)?.match(/undeclared reference to '[^']+'/g);
    assert.deepEqual(problems, wanted);
    assert.equal(problemOf(expression, { hasPatchTypes: true }), undefined);
  }
});
