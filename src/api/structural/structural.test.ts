import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyStructuralDefaults, hasDefaults } from './default.ts';
import { pruneResource } from './prune.ts';
import type { StructuralSchema } from './schema.ts';
import { validateListItems } from './unlike-items.ts';
import { validateStructure, validateStructureInSteps } from './validate.ts';

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        replicas: { type: 'integer', minimum: 0, maximum: 10, default: 1 },
        size: { type: 'string', enum: ['s', 'm', 'l'] },
        name: { type: 'string', maxLength: 5, minLength: 2, pattern: '^[a-z]+$' },
        tags: { type: 'array', items: { type: 'string' }, maxItems: 2 },
        ratio: { type: 'number', multipleOf: 0.5 },
        any: { 'x-kubernetes-int-or-string': true },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        map: { type: 'object', additionalProperties: { type: 'integer' } },
        nul: { type: 'string', nullable: true },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k'],
          items: {
            type: 'object',
            required: ['k'],
            properties: {
              k: { type: 'string' },
              v: { type: 'string', default: 'dv' },
              n: { type: 'integer', maximum: 5 },
            },
          },
        },
        set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        when: { type: 'string', format: 'date-time' },
        one: {
          type: 'object',
          properties: { a: { type: 'string' }, b: { type: 'string' } },
          oneOf: [{ required: ['a'] }, { required: ['b'] }],
        },
        tmpl: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
  },
} as StructuralSchema;

const errorsOf = (spec: object, old?: object) =>
  [...validateStructure(schema, { spec }, old && { spec: old }), ...validateListItems(schema, { spec })].map(
    (error) => error.text,
  );

test('each rule of a schema has upstream’s words', () => {
  const cases: [object, string[]][] = [
    [{ size: 's' }, []],
    [{ size: 'q' }, ['spec.size: Unsupported value: "q": supported values: "s", "m", "l"']],
    [{}, ['spec.size: Required value']],
    [{ size: 's', name: 'abcdef' }, ['spec.name: Too long: may not be more than 5 bytes']],
    [
      { size: 's', name: 'a' },
      ['spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'],
    ],
    [
      { size: 's', name: 'AB' },
      [`spec.name: Invalid value: "AB": spec.name in body should match '^[a-z]+$'`],
    ],
    [
      { size: 's', name: 1 },
      ['spec.name: Invalid value: "integer": spec.name in body must be of type string: "integer"'],
    ],
    [
      { size: 's', replicas: 1.5 },
      [
        'spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.replicas',
      ],
    ],
    [
      { size: 's', replicas: 99 },
      ['spec.replicas: Invalid value: 99: spec.replicas in body should be less than or equal to 10'],
    ],
    [
      { size: 's', replicas: -1 },
      ['spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0'],
    ],
    [
      { size: 's', tags: 'a' },
      ['spec.tags: Invalid value: "string": spec.tags in body must be of type array: "string"'],
    ],
    [
      { size: 's', tags: ['a', 1] },
      ['spec.tags[1]: Invalid value: "integer": spec.tags[1] in body must be of type string: "integer"'],
    ],
    [{ size: 's', tags: ['a', 'b', 'c'] }, ['spec.tags: Too many: 3: must have at most 2 items']],
    [
      { size: 's', ratio: 0.3 },
      ['spec.ratio: Invalid value: 0.3: spec.ratio in body should be a multiple of 0.5'],
    ],
    [
      { size: 's', map: { a: 'x' } },
      ['spec.map.a: Invalid value: "string": spec.map.a in body must be of type integer: "string"'],
    ],
    [{ size: 's', nul: null }, []],
    [{ size: 's', any: '5%' }, []],
    [
      { size: 's', any: true },
      ['spec.any: Invalid value: "boolean": spec.any in body must be of type integer,string: "boolean"'],
    ],
    [{ size: 's', items: [{ k: 'a' }, { k: 'a' }] }, ['spec.items[1]: Duplicate value: {"k":"a"}']],
    [{ size: 's', items: [{ v: 'a' }] }, ['spec.items[0].k: Required value']],
    [{ size: 's', set: ['a', 'a'] }, ['spec.set[1]: Duplicate value: "a"']],
    [
      { size: 's', when: 'now' },
      ['spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now"'],
    ],
    [{ size: 's', when: '2026-01-01T00:00:00Z' }, []],
    [
      { size: 's', one: { a: '1', b: '2' } },
      [
        '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
  ];
  for (const [spec, expected] of cases) assert.deepEqual(errorsOf(spec), expected, JSON.stringify(spec));
});

test('of alternatives that all fail, the one is told of in which most was checked', () => {
  const isAddress = { enum: ['IPAddress'] };
  const schema: StructuralSchema = {
    type: 'object',
    properties: { type: { type: 'string' }, value: { type: 'string' } },
    oneOf: [
      { properties: { type: isAddress, value: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] } } },
      { properties: { type: { not: isAddress } } },
    ],
  };
  const errors = validateStructure(schema, { type: 'IPAddress', value: 'x' });
  assert.deepEqual(
    errors.map(({ detail }) => detail),
    [
      'Invalid value: "": "" must validate one and only one schema (oneOf). Found none valid',
      'Invalid value: "": "value" must validate at least one schema (anyOf)',
      'Invalid value: "x": value in body must be of type ipv4: "x"',
    ],
  );
  assert.deepEqual(validateStructure(schema, { type: 'IPAddress', value: '1.2.3.4' }), []);
  assert.deepEqual(validateStructure(schema, { type: 'Hostname', value: 'x' }), []);
});

test('invalid values that an update does not change are not reported', () => {
  const old = {
    size: 'q',
    items: [
      { k: 'a', n: 9 },
      { k: 'b', n: 1 },
    ],
  };
  assert.deepEqual(errorsOf({ ...old, replicas: 2 }, old), []);
  assert.deepEqual(
    errorsOf(
      {
        ...old,
        items: [
          { k: 'b', n: 8 },
          { k: 'a', n: 9 },
        ],
      },
      old,
    ),
    ['spec.items[0].n: Invalid value: 8: spec.items[0].n in body should be less than or equal to 5'],
  );
});

test('a long list is checked in parts, and its errors stand before those of what follows it', () => {
  const schema: StructuralSchema = {
    type: 'object',
    properties: {
      before: { type: 'integer' },
      list: { type: 'array', items: { type: 'array', items: { type: 'integer' } }, enum: ['none'] },
      behind: { type: 'integer' },
    },
  };
  const items: unknown[] = Array.from({ length: 2_500 }, () => [1]);
  items[2] = ['a'];
  items[1_500] = [...Array.from({ length: 1_200 }, () => 1), 'b'];
  items[2_499] = 'c';
  const steps = validateStructureInSteps(schema, { before: 'x', list: items, behind: 'y' });
  let count = 1;
  let step = steps.next();
  for (; !step.done; step = steps.next()) count++;
  // One for all but the parts, three parts of the list, two of the list within it.
  assert.equal(count, 6);
  assert.deepEqual(
    step.value.map(({ field }) => field),
    ['before', 'list[2][0]', 'list[1500][1200]', 'list[2499]', 'list', 'behind'],
  );
});

test('unknown fields are pruned and named, except where the schema keeps them', () => {
  const object = {
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name: 'x' },
    extra: 1,
    spec: {
      more: {},
      free: { any: { thing: 1 } },
      items: [{ k: 'a', odd: 1 }],
      tmpl: { apiVersion: 'v1', kind: 'Pod', metadata: {}, x: 1 },
    },
  };
  assert.deepEqual(pruneResource(schema, object), ['extra', 'spec.more', 'spec.items[0].odd']);
  assert.deepEqual(object.spec, {
    free: { any: { thing: 1 } },
    items: [{ k: 'a' }],
    tmpl: { apiVersion: 'v1', kind: 'Pod', metadata: {}, x: 1 },
  });
});

test('defaults fill what is absent or null, deep in lists too, and are copied', () => {
  const first = { spec: { items: [{ k: 'a' }], replicas: null, tags: null, nul: null } };
  applyStructuralDefaults(schema, first);
  assert.deepEqual(first, { spec: { items: [{ k: 'a', v: 'dv' }], replicas: 1, nul: null } });
});

test('fields that are called like what objects inherit are fields like others', () => {
  const inner = { type: 'object', properties: { polluted: { type: 'string', default: 'yes' } } };
  const odd = JSON.parse(
    `{"properties":{"__proto__":${JSON.stringify(inner)},"constructor":{"type":"string","default":"c"}}}`,
  ) as StructuralSchema;
  const object = {};
  applyStructuralDefaults(odd, object);
  assert.deepEqual(object, { constructor: 'c' });
  const nested = JSON.parse('{"__proto__":{}}');
  applyStructuralDefaults(odd, nested);
  assert.equal(JSON.stringify(nested), '{"__proto__":{"polluted":"yes"},"constructor":"c"}');
  assert.ok(!('polluted' in {}));
});

test('a null among the entries of a map counts as absent, unless its values may be null', () => {
  const schema = (more: object): StructuralSchema => ({
    type: 'object',
    additionalProperties: { type: 'string', ...more },
  });
  for (const [more, expected] of [
    [{}, { b: 'c' }],
    [{ nullable: true }, { a: null, b: 'c' }],
    [{ default: 'd' }, { a: 'd', b: 'c' }],
  ] as const) {
    const object = { a: null, b: 'c' };
    assert.equal(hasDefaults(schema(more), object), 'nullable' in more);
    applyStructuralDefaults(schema(more), object);
    assert.deepEqual(object, expected);
  }
});

test('a stricter schema is not held against a list map whose items only changed places', () => {
  const list = (more: object): StructuralSchema => ({
    type: 'object',
    properties: {
      l: {
        type: 'array',
        maxItems: 1,
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: { type: 'string' } } },
        ...more,
      },
    },
  });
  const [a, b] = [{ k: 'a' }, { k: 'b' }];
  const fields = (more: object, value: object[]) =>
    validateStructure(list(more), { l: value }, { l: [a, b] }).map(({ field }) => field);
  assert.deepEqual(fields({}, [b, a]), []);
  assert.deepEqual(fields({}, [b, { k: 'c' }]), ['l']);
  assert.deepEqual(fields({ 'x-kubernetes-list-type': 'atomic' }, [b, a]), ['l']);
});

test('formats are those of upstream', () => {
  const rows: [format: string, good: string[], bad: string[]][] = [
    ['date', ['2024-02-29'], ['2023-02-29', '2020-1-1', '']],
    [
      'date-time',
      ['2020-01-01T00:00:00.5+01:00', '2020-01-01t00:00:00z'],
      ['2020-02-30T00:00:00Z', '2020-01-01'],
    ],
    ['ipv4', ['1.2.3.4', '01.2.3.4', '::ffff:1.2.3.4'], ['1.2.3', '1.2.3.256', '::1']],
    ['ipv6', ['::1', '::ffff:1.2.3.4'], ['1.2.3.4', 'fe80::1%eth0']],
    ['cidr', ['10.0.0.1/8', '010.0.0.0/8', '::/0'], ['10.0.0.1', '10.0.0.0/33', '10.0.0.0/8/8']],
    [
      'email',
      ['a@b.c', 'A B <a@b.c>', '"x y"@b', ' <a@b>'],
      ['a', 'a b@c.d', 'a..b@c', 'A <a@b> c', '<<a@b>'],
    ],
    [
      'hostname',
      ['a.bc', 'a-b', 'é', 'localhost', 'my-host.example.com'],
      ['a.b', 'my-host', '-a', 'a..bc', ''],
    ],
    [
      'uri',
      ['http://x/y?z', '/x', 'mailto:a', '*', 'http://[::1]:80/'],
      ['x', 'a b', '', '/%zz', 'http://a b/', ':x'],
    ],
    ['mac', ['01:23:45:67:89:ab', '0123.4567.89ab'], ['01:23-45:67:89:ab', 'x']],
    ['byte', ['YQ=='], ['YQ', '']],
    ['k8s-short-name', ['a-b'], ['A', 'a.b', 'a'.repeat(64), '-a']],
    ['k8s-long-name', ['a.b'], ['A', 'a..b', 'a'.repeat(254)]],
    ['isbn', ['0-321-75104-3', '978-0321751041'], ['0321751044', 'x']],
    ['creditcard', ['4111 1111 1111 1111'], ['4111111111111112', 'x']],
    ['ssn', ['111-11-1111'], ['111111111', 'x']],
    ['rgbcolor', ['rgb(1, 2,255)'], ['rgb(1,2,256)']],
    ['password', [''], []],
  ];
  for (const [format, good, bad] of rows) {
    const isValid = (text: string) => [...validateStructure({ type: 'string', format }, text)].length === 0;
    for (const text of good) assert.ok(isValid(text), `${format} ${text}`);
    for (const text of bad) assert.ok(!isValid(text), `not ${format} ${text}`);
  }
});

test('what is wrong with a number, and with a value of another type, is said in upstream’s words and order', () => {
  const rows: [schema: StructuralSchema, value: unknown, errors: string[]][] = [
    [
      { type: 'integer', format: 'int32' },
      2 ** 31,
      ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in a'],
    ],
    [
      { type: 'integer', format: 'int64' },
      1e19,
      [
        'a: Invalid value: "float64": a in body must be of type int64: "float64"',
        '<nil>: Invalid value: "": Checked value must be of type integer with format int64 in a',
      ],
    ],
    [{ type: 'integer' }, 2n ** 63n - 1n, []],
    [
      { type: 'number', format: 'float' },
      1e40,
      ['<nil>: Invalid value: "": Checked value must be of type number with format float in a'],
    ],
    [
      { type: 'integer', enum: [1], allOf: [{ minimum: 5 }, { multipleOf: 2 }] },
      3,
      [
        'a: Invalid value: 3: a in body should be greater than or equal to 5',
        'a: Invalid value: 3: a in body should be a multiple of 2',
        '<nil>: Invalid value: "": "a" must validate all the schemas (allOf). None validated',
        'a: Unsupported value: 3: supported values: "1"',
      ],
    ],
    [
      { type: 'integer', enum: [1] },
      'x',
      [
        'a: Invalid value: "string": a in body must be of type integer: "string"',
        'a: Unsupported value: "x": supported values: "1"',
      ],
    ],
    [
      { type: 'string', format: 'date' },
      5,
      ['a: Invalid value: "int64": a in body must be of type date: "int64"'],
    ],
  ];
  for (const [property, value, errors] of rows) {
    const found = validateStructure({ type: 'object', properties: { a: property } }, { a: value });
    assert.deepEqual(
      found.map(({ text }) => text),
      errors,
    );
  }
});

test('formats that do not exist are not checked, whatever their names are', () => {
  for (const format of ['__proto__', 'constructor', 'hasOwnProperty', '__defineGetter__', 'none'])
    assert.deepEqual([...validateStructure({ type: 'string', format }, 'x')], [], format);
});

test('durations are distinguished from other texts, and long ones at once', () => {
  const isDuration = (text: string) =>
    [...validateStructure({ type: 'string', format: 'duration' }, text)].length === 0;
  for (const text of ['1h', '1ms', '1h30m', '-1.5s', '.5us', '1ms2ns', '1 h', '2 days', '1h2', '0', '1µs'])
    assert.ok(isDuration(text), text);
  for (const text of ['', '1', 'h', '1x', '1dw', '1n', '1msx']) assert.ok(!isDuration(text), text);
  const before = process.cpuUsage();
  assert.ok(!isDuration(`1${'ms'.repeat(100_000)}!`));
  assert.ok(!isDuration(`${'1'.repeat(100_000)}${' '.repeat(100_000)}!`));
  assert.ok(process.cpuUsage(before).user / 1000 < 1000);
});

test('a pattern that would take others exponential time is answered at once', () => {
  const evil = {
    type: 'object',
    properties: { a: { type: 'string', pattern: '^(a+)+$' } },
  } as StructuralSchema;
  const errors = [...validateStructure(evil, { a: `${'a'.repeat(50_000)}!` })];
  assert.equal(errors.length, 1);
});
