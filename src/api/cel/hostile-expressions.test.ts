import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { checkExpression } from './check/check.ts';
import { CelError, compileCel } from './environment.ts';
import { untypedCelValue } from './values.ts';

const random = seededRandom(20_261_128);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!;
const rounds = 3_000;
/** An expression that takes longer, at a thousandth of what its limits would allow, does not end in time. */
const roundMsMax = 2_000;

const expressions = [
  'object.spec.replicas > 1 && object.metadata.name.startsWith("a")',
  'object.spec.containers.all(c, c.image.matches("^[a-z]+:[0-9]+$"))',
  'has(object.metadata.labels) ? object.metadata.labels["app"] : "none"',
  'object.spec.containers.map(c, c.name).filter(n, n.size() > 2).exists(n, n == "web")',
  '"%s has %d".format([object.metadata.name, object.spec.replicas])',
  'quantity("1Gi").isGreaterThan(quantity("500Mi")) || isQuantity(object.spec.size)',
  'duration("1h").getSeconds() < 3600 && timestamp("2026-01-01T00:00:00Z") > timestamp("2025-01-01T00:00:00Z")',
  'ip("10.0.0.1").family() == 4 && cidr("10.0.0.0/8").containsIP("10.1.2.3")',
  'url("https://example.com:80/a?b=c").getHost() == "example.com:80"',
  '[1, 2, 3].sum() + [4, 5].max() - object.spec.list.indexOf(2)',
  'semver("1.2.3").isLessThan(semver("2.0.0"))',
  'object.spec.text.find("[0-9]+").size() + object.spec.text.split(",").size()',
  'optional.of(object.spec).orValue({}).?replicas.orValue(0)',
  'object.?spec.?absent.hasValue() ? {"a": [1, 2.5, "x", null, b"y"]} : {}',
];
const fragments = [
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '.',
    ',',
    '?',
    ':',
    '!',
    '-',
    '"',
    "'",
    '\\',
    '\0',
    'é',
    '\n',
    '//',
    '&&',
  ],
  ...[
    '||',
    'in',
    '==',
    '%',
    '/',
    '9223372036854775807',
    '1e999',
    '0x',
    '1u',
    'null',
    'object',
    'object.spec',
  ],
  ...['.all(x, x)', '.map(x, x + x)', '.matches("(a+)+$")', '.replace("a", "aa")', '.join()', '__proto__'],
  ...['constructor', '.size()', '.lowerAscii()', 'type(object)', 'dyn(1)', '.?', '[?0]', 'r"\\d"'],
];
const values: unknown[] = [
  null,
  0,
  -1,
  1.5,
  9_007_199_254_740_991,
  '',
  'a'.repeat(2_000),
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!',
  true,
  [],
  [1, 'a', null],
  {},
  Array.from({ length: 200 }, (_, index) => ({ name: `c${index}`, image: 'web:1' })),
];

function mutated(text: string): string {
  let out = text;
  for (let edit = Math.floor(random.next() * 4); edit > 0; edit--) {
    const at = Math.floor(random.next() * (out.length + 1));
    const end = at + Math.floor(random.next() * 8);
    out = out.slice(0, at) + (random.next() < 0.8 ? pick(fragments) : '') + out.slice(end);
  }
  return out;
}

function randomObject() {
  const spec = Object.fromEntries(
    ['replicas', 'containers', 'size', 'list', 'text'].map((name) => [name, pick(values)]),
  );
  return { metadata: { name: pick(['a', '', 'web-1']), labels: pick([undefined, { app: 'x' }, 7]) }, spec };
}

test('expressions that were tampered with are refused or end, and end in time', () => {
  for (let round = 0; round < rounds; round++) {
    const source = mutated(pick(expressions));
    const object = randomObject();
    const startMs = performance.now();
    try {
      compileCel(source, ['object']).evaluate({ object: untypedCelValue(object) });
    } catch (error) {
      if (!(error instanceof CelError))
        throw new Error(`not refused but broken by ${JSON.stringify({ source, object }).slice(0, 800)}`, {
          cause: error,
        });
    }
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < roundMsMax, `${Math.round(tookMs)} ms for ${source}`);
  }
});

test('expressions of any depth and length are compiled or refused', () => {
  const nestings = [
    '(',
    '[',
    '!',
    '-',
    '{"a":',
    '[1].map(x, ',
    '"a" + ',
    'true ? true : ',
    'object.',
    'object[',
  ];
  for (const nested of nestings)
    for (const times of [200, 50_000]) {
      try {
        compileCel(`${nested.repeat(times)}object`, ['object']);
      } catch (error) {
        assert.ok(error instanceof CelError, `${nested} ${times} times: ${error}`);
      }
    }
});

test('patterns take linear time, wherever they stand in an expression', () => {
  const object = untypedCelValue({ s: `${'a'.repeat(5_000)}!`, l: ['a'] });
  for (const source of [
    'object.s.matches("^(a+)+$")',
    'matches(object.s, "^(a+)+$")',
    'object.l.all(x, object.s.matches("^(a+)+$") || x.matches("b"))',
    'object.?s.orValue("").matches("^(a+)+$") ? true : {"k": object.s.matches("^(a+)+$")}.k',
    'cel.bind(x, object.s, x.matches("^(a+)+$"))',
  ])
    assert.equal(compileCel(source, ['object']).evaluate({ object }), false, source);
  assert.throws(
    () => compileCel('1.matches("a")', []),
    /^CelError: found no matching overload for 'int.matches\(string\)'/,
  );
});

test('loops within loops, and text that grows, end when they have cost enough', () => {
  const spent = /operation cancelled: actual cost limit exceeded/;
  const object = untypedCelValue({
    l: Array.from({ length: 100 }, (_, index) => index),
    m: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, index])),
    s: 'a'.repeat(1_000),
    long: Array.from({ length: 20_000 }, (_, index) => index),
  });
  for (const source of [
    'object.long.all(a, object.long.sum() >= 0)',
    'object.long.exists(a, object.long.indexOf(-1) == 0)',
    'object.long.all(a, object.long.slice(0, 20000).size() > 0)',
    'object.long.all(a, [object.long].flatten().size() > 0)',
    'object.long.all(a, lists.range(1000000).size() > 0)',
    'object.long.all(a, !object.s.matches("b"))',
    'object.long.all(a, object.s.charAt(0) == "a")',
    'sets.contains(object.long, object.long)',
    'sets.intersects(object.long, object.long.map(a, -a - 1))',
    'object.l.map(a, object.l.map(b, object.l.map(c, object.l.map(d, a))))',
    'object.l.all(a, object.l.all(b, object.l.all(c, object.l.all(d, object.l.all(e, true)))))',
    'object.l.exists(a, object.l.exists(b, object.l.exists(c, object.l.exists(d, object.l.exists(e, false)))))',
    'object.l.all(i, a, object.l.all(j, b, object.l.all(k, c, object.l.all(l, d, object.m.all(n, e, true)))))',
    'object.l.filter(a, object.l.filter(b, object.l.filter(c, object.l.exists_one(d, d == 1)).size() > 0).size() > 0)',
    'object.l.transformList(i, a, object.l.transformList(j, b, object.l.transformList(k, c, object.l)))',
    'object.l.all(a, object.l.all(b, object.l.all(c, object.l.all(d, false || object.l.all(e, true))))) || true',
    'object.s.replace("a", object.s).replace("a", object.s).size() > 0',
  ]) {
    const program = compileCel(source, ['object']);
    const before = process.cpuUsage();
    assert.throws(() => program.evaluate({ object }), spent, source);
    assert.ok(process.cpuUsage(before).user / 1000 < 10_000, source);
  }
  const small = compileCel('object.l.all(a, object.l.all(b, a + b < 200))', ['object']);
  for (let again = 0; again < 100; again++)
    assert.equal(small.evaluate({ object }), true, 'each has a budget of its own');
});

test('unknown functions are reported, whatever their names are, and so are long durations, at once', () => {
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty'])
    assert.ok(checkExpression(`${name}("x")`, new Map()).problems.length > 0, name);
  const before = process.cpuUsage();
  assert.ok(checkExpression(`duration("${'1'.repeat(100_000)}")`, new Map()).problems.length > 0);
  assert.ok(process.cpuUsage(before).user / 1000 < roundMsMax);
});

test('an expression that is too long is not read, and one that is nearly so is', () => {
  const long = `'${'é'.repeat(99_999)}' == ''`;
  const message = 'expression code point size exceeds limit: size: 100007, limit 100000';
  assert.deepEqual(checkExpression(long, new Map()).problems, [`ERROR: <input>:-1:0: ${message}`]);
  assert.throws(() => compileCel(long, []), { name: 'CelError', message });
  const before = process.cpuUsage();
  const chains = ['||', '&&', '+', '?'].map((sign) =>
    sign === '?' ? `${'true ? 1 : '.repeat(9_000)}1` : Array(33_000).fill('1').join(sign),
  );
  for (const source of [
    ...chains,
    '!'.repeat(99_990),
    '('.repeat(99_990),
    '['.repeat(99_990),
    '{1:'.repeat(33_000),
    'a.'.repeat(49_990),
    '1'.repeat(99_990),
    '"'.repeat(99_990),
    `a${'[0]'.repeat(33_000)}`,
    `f(${'1,'.repeat(49_000)}1)`,
    `[${'1,'.repeat(49_000)}1]`,
    'a.map(b,'.repeat(12_000),
  ]) {
    checkExpression(source, new Map());
    try {
      compileCel(source, []);
    } catch (error) {
      assert.ok(error instanceof CelError);
    }
  }
  assert.ok(process.cpuUsage(before).user / 1000 < 10_000);
  const { problems } = checkExpression(chains[0]!, new Map());
  assert.equal(problems.length, 101);
  assert.match(problems.at(-1)!, /^\d+ more errors were truncated$/);
});
