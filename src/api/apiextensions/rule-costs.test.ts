import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateCost } from '../cel/cost.ts';
import { compileCel } from '../cel/environment.ts';
import type { StructuralSchema } from '../structural/schema.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { validateRuleCosts } from './rule-costs.ts';

const rule = (...rules: string[]) => ({ 'x-kubernetes-validations': rules.map((text) => ({ rule: text })) });
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const list = (items: object, more: object = {}) => ({ type: 'array', items, ...more });
const string = (more: object = {}) => ({ type: 'string', ...more });
const errorsOf = (schema: object) =>
  [...validateRuleCosts(schema as JSONSchemaProps, 's')].map(({ text }) => text);

test('rules that everyday definitions have are within the budget', () => {
  const names = list(string({ maxLength: 63 }), { maxItems: 100 });
  const schemas = [
    object({ min: { type: 'integer' }, max: { type: 'integer' } }, rule('self.min <= self.max')),
    object({ name: string() }, rule('self == oldSelf', 'self.name.size() > 1')),
    object({ names }, rule('self.names.all(x, self.names.exists_one(y, x == y))')),
    object({ l: list(string(rule('self.contains("keyword")')), { maxItems: 20 }) }),
    list(string({ enum: ['a', 'b'], ...rule('self == "a"') })),
    object({ s: string() }, rule('self.s.matches("^[a-z]+$")')),
    object({ s: string() }, rule('self.s.split(",").all(x, x.matches("^[a-z]+$"))')),
    object({ l: list(object({ t: string() })) }, rule('self.l.all(x, x.t == "Ready")')),
  ];
  for (const schema of schemas) assert.deepEqual(errorsOf(schema), [], JSON.stringify(schema));
});

test("rules whose cost grows with unbounded lists and texts are refused in upstream's words", () => {
  const hint =
    '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';
  const nested = object({ l: list(string()) }, rule('self.l.all(x, self.l.all(y, x == y || x.contains(y)))'));
  const path = 's.x-kubernetes-validations[0].rule';
  const total = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
  assert.deepEqual(errorsOf(nested), [
    `${path}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${hint}`,
    `${path}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
    `s: Forbidden: ${total} exceeds budget by factor of more than 100x ${hint}`,
  ]);
  const unbounded = object({ l: list(string(rule('self.contains("keyword")'))) });
  assert.match(
    errorsOf(unbounded)[0]!,
    /items.x-kubernetes-validations\[0\].rule: Forbidden: estimated rule/,
  );
  // Upstream's own measure of two bounded texts: 4096 and 4096 characters in 20 items are 5.4 times too dear.
  const text = string({ maxLength: 4096 });
  const item = object({ m: text, c: text }, rule('!self.m.contains(self.c)'));
  assert.match(errorsOf(object({ l: list(item, { maxItems: 20 }) }))[0]!, /by factor of 5\.4x/);
});

test('whether a field is there costs as much as what may hold it', () => {
  const either = rule('(has(self.a) && !has(self.b)) || (!has(self.a) && has(self.b))');
  const item = object({ a: string(), b: string() }, either);
  assert.equal(
    estimateCost(
      compileCel(either['x-kubernetes-validations'][0]!.rule, ['self']).ast,
      item as JSONSchemaProps,
    ),
    6,
  );
  assert.deepEqual(errorsOf(object({ l: list(item) })), []);
});

test('a comprehension of two variables costs as much as its body, once for each element', () => {
  const inner: StructuralSchema = { type: 'array', maxItems: 100, items: { type: 'string', maxLength: 10 } };
  const outer: StructuralSchema = { type: 'array', maxItems: 100, items: inner };
  const cost = (rule: string) => estimateCost(compileCel(rule, ['self']).ast, outer);
  const one = cost('self.all(list, list.all(s, s != ""))');
  const two = cost('self.all(i, list, list.all(j, s, s != ""))');
  assert.ok(two >= one && two < one * 1.5, `${two} beside ${one}`);
  assert.ok(cost('self.transformList(i, list, list.transformList(j, s, s + "x")).size() > 0') > one);
});

test('functions that go through texts and lists cost as much as these are long', () => {
  const schema = (text: string) =>
    object(
      {
        s: string(),
        l: list(string()),
        b: list(string({ maxLength: 253 }), { maxItems: 100 }),
      },
      rule(text),
    );
  const factors = (text: string) =>
    errorsOf(schema(text)).map((error) => /exceeds budget by factor of (\S+(?: than)?)/.exec(error)?.[1]);
  // As upstream answers, to the last digit.
  assert.deepEqual(factors('format.dns1123Label().validate(self.s).hasValue()'), ['1.006634x']);
  for (const text of [
    'self.l.isSorted()',
    'self.l.min() == "a"',
    'self.l.indexOf("a") == 1',
    'self.l.join(",") == "a"',
    'sets.contains(self.l, self.l)',
    'self.l.exists(x, isIP(x))',
    'self.l.all(x, x.replace("a", "b") == "c")',
  ])
    assert.equal(factors(text)[0], 'more than', text);
  for (const text of [
    'self.b.isSorted() && self.b.indexOf("a") == 1 && self.b.join(",").size() < 3',
    'sets.equivalent(self.b, ["a"]) && self.b.all(x, isIP(x))',
    'self.s.find("[0-9]+") == "1" && self.s.lowerAscii() == "a"',
  ])
    assert.deepEqual(factors(text), [], text);
});
