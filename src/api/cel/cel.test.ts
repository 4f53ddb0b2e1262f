import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StructuralSchema } from '../structural/schema.ts';
import { CelError, compileCel } from './environment.ts';
import { compileRule, SchemaRules } from './rules.ts';
import { celValueOf, untypedCelValue } from './values.ts';

test('Kubernetes’ libraries answer as upstream’s', () => {
  const cases: [string, unknown][] = [
    ['[1, 2, 2].isSorted()', true],
    ['[2, 1].isSorted()', false],
    ['[1, 2, 3].sum()', 6n],
    ['["b", "a"].min()', 'a'],
    ['[1.5, 2.5].max()', 2.5],
    ['["a", "b", "a"].lastIndexOf("a")', 2n],
    ['["a"].indexOf("z")', -1n],
    ['sets.contains([1, 2, 3], [2])', true],
    ['sets.equivalent([1, 1, 2], [2, 1])', true],
    ['sets.intersects([1], [2])', false],
    ['"abc 123".find("[0-9]+")', '123'],
    ['"123 abc 456".findAll("[0-9]+", 1)', ['123']],
    ['url("https://user@example.com:80/path?q=1").getHostname()', 'example.com'],
    ['isURL("not a url")', false],
    ['quantity("1Gi").isGreaterThan(quantity("1000M"))', true],
    ['quantity("1").add(quantity("1k")).asInteger()', 1001n],
    ['isQuantity("1.3Gi1")', false],
    ['ip("10.0.0.1").family()', 4n],
    ['cidr("10.0.0.0/8").containsIP("10.2.3.4")', true],
    ['cidr("10.0.0.0/8").containsCIDR("11.0.0.0/16")', false],
    ['isCIDR("10.0.0.0/99")', false],
    ['"%s has %d of %.2f".format(["x", 3, 1.5])', 'x has 3 of 1.50'],
  ];
  for (const [source, expected] of cases)
    assert.deepEqual(compileCel(source, []).evaluate({}), expected, source);
});

test('a URL is read as Go reads it', () => {
  const cases: [string, unknown][] = [
    ['isURL("https://user:pass@example.com:80/path?query=val#fragment")', true],
    ['isURL("http://a:b@c@example.com/")', true],
    ['url("http://a@b@example.com/").getHost()', 'example.com'],
    ['isURL("/absolute-path")', true],
    ['isURL("https://a:b:c/")', false],
    ['isURL("../relative-path")', false],
    ['url("/path").getScheme()', ''],
    ['url("/path?a=b").getHost()', ''],
    ['url("HTTP://Example.com:80/").getScheme()', 'http'],
    ['url("HTTP://Example.com:80/").getHost()', 'Example.com:80'],
    ['url("https://example.com:443").getPort()', '443'],
    ['url("https://example.com:/").getPort()', ''],
    ['url("https://a:b@[::1]:80/").getHost()', '[::1]:80'],
    ['url("https://[fe80::1%25eth0]:80/").getHostname()', 'fe80::1%eth0'],
    ['url("https://[::1]/").getPort()', ''],
    ['url("https://example.com?k=v").getEscapedPath()', ''],
    ['url("https://example.com/a/../b%2fc#d").getEscapedPath()', '/a/../b%2fc'],
    ['url("https://example.com/with spaces/(é%2f)").getEscapedPath()', '/with%20spaces/%28%C3%A9/%29'],
    ['url("mailto:a@example.com").getEscapedPath()', ''],
    ['url("https://x/p?k1=a&k2=b&k2=c#k3=d").getQuery() == {"k1": ["a"], "k2": ["b", "c"]}', true],
    ['url("https://x/p?a key=a+value").getQuery() == {"a key": ["a value"]}', true],
    ['url("https://x/p?").getQuery() == {}', true],
  ];
  for (const [source, expected] of cases)
    assert.deepEqual(compileCel(source, []).evaluate({}), expected, source);
  for (const text of ['https://a:b:c/', '../relative-path'])
    assert.throws(() => compileCel(`url("${text}").getHost()`, []).evaluate({}), /invalid URI for request/);
  assert.throws(() => compileCel('url("")', []).evaluate({}), /parse "": empty url/);
});

test('has() looks behind indices and calls, too', () => {
  const self = { list: [{ name: 'a', sub: [{ x: 1n }] }, {}], map: { k: { v: 1n } } };
  const cases: [string, boolean][] = [
    ['has(self.list[0].name)', true],
    ['has(self.list[1].name)', false],
    ['has(self.list[0].sub[0].x) && !has(self.list[0].sub[0].y)', true],
    ['self.list.exists_one(i, has(i.sub) && has(i.sub[0].x))', true],
    ['has(self.map["k"].v) && self.list[0].name != "has(a[0].b)"', true],
    ['has(self.list[0]["sub"][0].x) ? true : false', true],
  ];
  for (const [source, result] of cases)
    assert.equal(compileCel(source, ['self']).evaluate({ self }), result, source);
  assert.throws(() => compileCel('has(self.list[5].a)', ['self']).evaluate({ self }), CelError);
  assert.throws(() => compileCel('has(self[0])', ['self']), CelError);
});

test('an expression that cannot be is refused when it is compiled', () => {
  for (const source of ['1 +', 'unknown == 1', '1 + "a"', 'a.b(', '']) {
    assert.throws(() => compileCel(source, ['self']), CelError, source);
  }
  assert.throws(() => compileRule({ rule: '1 + 1' }), /must evaluate to a bool/);
});

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      'x-kubernetes-validations': [
        { rule: 'self.min <= self.max', message: 'min must not exceed max' },
        { rule: 'self.min >= 0', messageExpression: '"min is %d".format([self.min])', fieldPath: '.min' },
        { rule: '!has(self.locked) || !self.locked', reason: 'FieldValueForbidden' },
      ],
      properties: {
        min: { type: 'integer' },
        max: { type: 'integer' },
        locked: { type: 'boolean' },
        'my-name': {
          type: 'string',
          'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'immutable' }],
        },
        wait: {
          type: 'string',
          format: 'duration',
          'x-kubernetes-validations': [{ rule: 'self < duration("1h")' }],
        },
        byName: {
          type: 'object',
          additionalProperties: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self != ""' }] },
        },
        tags: {
          type: 'array',
          items: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self.size() < 3' }] },
        },
      },
    },
  },
} as StructuralSchema;

const errorsOf = (spec: object, old?: object) =>
  [...new SchemaRules(schema).validate({ spec }, old && { spec: old }).errors].map((error) => error.text);

test('rules are held against objects, each with its message, path and reason', () => {
  assert.deepEqual(errorsOf({ min: 1, max: 2, wait: '5m' }), []);
  assert.deepEqual(errorsOf({ min: 3, max: 2 }), ['spec: Invalid value: min must not exceed max']);
  assert.deepEqual(errorsOf({ min: -1, max: 2 }), ['spec.min: Invalid value: min is -1']);
  assert.deepEqual(errorsOf({ min: 1, max: 2, locked: true }), [
    'spec: Forbidden: failed rule: !has(self.locked) || !self.locked',
  ]);
  assert.deepEqual(errorsOf({ min: 1, max: 2, wait: '90m', tags: ['ok', 'long'] }), [
    'spec.wait: Invalid value: "90m": failed rule: self < duration("1h")',
    'spec.tags[1]: Invalid value: "long": failed rule: self.size() < 3',
  ]);
  assert.deepEqual(errorsOf({ min: 1, max: 2, byName: { one: '' } }), [
    'spec.byName[one]: Invalid value: "": failed rule: self != ""',
  ]);
  assert.match(
    errorsOf({ max: 2 })[0]!,
    /^spec: Invalid value: "object": no such key: min evaluating rule: min must not exceed max$/,
  );
});

test('no rule is looked at after one that was too dear', () => {
  const dear = { rule: 'self.all(x, self.all(y, self.all(z, x == y && y == z)))' };
  const list = {
    type: 'array',
    items: { type: 'integer' },
    'x-kubernetes-validations': [dear, { rule: 'false' }],
  };
  const rules = new SchemaRules({ type: 'object', properties: { list } } as StructuralSchema);
  assert.deepEqual(
    [...rules.validate({ list: Array(725).fill(1) }, undefined).errors].map(({ text }) => text),
    [
      `list: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${dear.rule}`,
    ],
  );
});

test('of what an update has left alone the client is only warned, and the order of a list map does not count', () => {
  const rule = (text: string) => [{ rule: text }];
  const item = {
    type: 'object',
    required: ['k'],
    properties: { k: { type: 'string' }, v: { type: 'string' } },
  };
  const lists = {
    type: 'object',
    'x-kubernetes-validations': rule('self.map.size() + self.list.size() < 2'),
    properties: {
      map: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { ...item, 'x-kubernetes-validations': rule('self.v == "ok"') },
      },
      list: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': rule('self == "ok"') } },
    },
  };
  const judged = new SchemaRules(lists as StructuralSchema);
  const one = { k: '1', v: 'no' };
  const two = { k: '2', v: 'no' };
  const texts = (value: object, old: object) => {
    const { errors, warnings } = judged.validate(value, old);
    return [errors, warnings].map((found) => found.map(({ field }) => field));
  };
  const old = { map: [one, two], list: ['no'] };
  assert.deepEqual(texts({ map: [two, one], list: ['no'] }, old), [
    [],
    ['<nil>', 'map[0]', 'map[1]', 'list[0]'],
  ]);
  assert.deepEqual(texts({ map: [two, { ...one, v: 'new' }], list: ['no', 'more'] }, old), [
    ['<nil>', 'map[1]', 'list[0]', 'list[1]'],
    ['map[0]'],
  ]);
});

test('an entry of a map that was not there before is new, whatever its name', () => {
  const entries = {
    type: 'object',
    additionalProperties: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] },
  };
  const judged = new SchemaRules(entries as StructuralSchema);
  assert.deepEqual(judged.validate({ constructor: 'a' }, {}).errors, []);
  assert.equal(judged.validate({ constructor: 'a' }, { constructor: 'b' }).errors.length, 1);
});

test('a transition rule holds on updates only, and an unchanged part is not judged again', () => {
  assert.deepEqual(errorsOf({ min: 1, max: 2, 'my-name': 'a' }), []);
  assert.deepEqual(errorsOf({ min: 1, max: 2, 'my-name': 'b' }, { min: 1, max: 2, 'my-name': 'a' }), [
    'spec.my-name: Invalid value: "b": immutable',
  ]);
  assert.deepEqual(errorsOf({ min: 3, max: 2 }, { min: 3, max: 2 }), []);
});

test('fields are read whatever they are called', () => {
  const labels = JSON.parse('{"constructor": "a", "__proto__": "b", "toString": "c"}') as object;
  const expression = compileCel(
    'self.constructor + self["__proto__"] + self.toString + (has(self.valueOf) ? "!" : "") + string(self.size())',
    ['self'],
  );
  assert.equal(expression.evaluate({ self: untypedCelValue(labels) }), 'abc3');
  const strings = { type: 'object', additionalProperties: { type: 'string' } } as StructuralSchema;
  assert.equal(expression.evaluate({ self: celValueOf(strings, labels) }), 'abc3');
});
