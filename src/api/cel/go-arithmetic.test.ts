/** Conversions, arithmetic and quantities: answers and errors as an upstream server gave them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkExpression } from './check/check.ts';
import { compileCel, constantProblem } from './environment.ts';
import { jsonOfCel } from './values.ts';

const given: [source: string, expected: unknown][] = [
  ['string(1e6)', '1e+06'],
  ['string(1e-7)', '1e-07'],
  ['string(123456.0)', '123456'],
  ['string(123456789.125)', '1.23456789125e+08'],
  ['string(-0.0)', '-0'],
  ['string(1.0 / 0.0)', '+Inf'],
  ['-9223372036854775808', -9223372036854775808n],
  ['bool("T")', true],
  ['double("0x1p4")', 16],
  ['double("1_0")', 10],
  ['string(duration("0"))', '0s'],
  ['string(timestamp("2020-01-01T00:00:00,5+24:00"))', '2019-12-31T00:00:00.5Z'],
  ['int(7u)', 7],
  ['string(duration(1500000000))', '1.5s'],
  ['{1: "a", 2: "b"}.map(k, k + 1).sort()', [2, 3]],
  ['{1: "a"}[1] + ({1: "a"}[?2].hasValue() ? "!" : "")', 'a'],
  ['"%s %s".format([{10: "a", 2: {true: 1}}, [1, "a", [2.5]]])', '{10:"a", 2:{true:1}} [1, "a", [2.500000]]'],
  ['{dyn("1"): 1, dyn(1): 2}.size()', 2],
  ['optional.unwrap([optional.of(1), optional.none(), optional.of(3)])', [1, 3]],
  ['[optional.none(), optional.of("a")].unwrapOpt()', ['a']],
  ['format.dns1123Label().validate("A").value().size()', 1],
  ['format.named("uuid").value().validate("x").hasValue()', true],
  ['url("HTTP://a") == url("http://a") && url("http://a") != url("http://a/")', true],
  ['sign(quantity("-1.5"))', -1],
  ['["1", "1k", "1Ki", "0.5k", "1e18", "00", "-5"].all(x, quantity(x).isInteger())', true],
  ['["1.0", "2000m", "0n", "1.5Gi", "7Ei", "9223372036854775807"].exists(x, quantity(x).isInteger())', false],
  ['quantity("1k").sub(quantity("1")).add(1).asInteger()', 1000],
  ['quantity("500m").add(quantity("500m")).isInteger()', false],
  ['quantity("1e30").asApproximateFloat()', 1e30],
  ['quantity("100Ei").asApproximateFloat()', 9.223372036854776e18],
];

test('numbers are read by what they say, however long the text is', () => {
  const zeros = '0'.repeat(2_000_000);
  const nines = '9'.repeat(2_000_000);
  const evaluated = (source: string) =>
    jsonOfCel(compileCel(source, ['x']).evaluate({ x: { zeros, nines } }));
  assert.equal(evaluated('int(x.zeros + "7") + int("-" + x.zeros + "2")'), 5);
  assert.equal(evaluated('string(uint(x.zeros + "7"))'), '7');
  assert.equal(evaluated('duration(x.zeros + "1." + x.zeros + "9s") == duration("1s")'), true);
  assert.throws(() => evaluated('int(x.nines)'), /type conversion error/);
  assert.throws(() => evaluated('duration(x.nines + "s")'), /type conversion error/);
});

for (const [source, expected] of given)
  test(`${source} is what it is in Go`, () => {
    assert.deepEqual(jsonOfCel(compileCel(source, []).evaluate({})), expected);
  });

const failing: [source: string, message: string][] = [
  ['-x', 'integer overflow'],
  ['x / -1', 'integer overflow'],
  ['x % -1', 'integer overflow'],
  ['x - 1', 'integer overflow'],
  ['-(-9223372036854775808)', 'integer overflow'],
  ['1 % 0', 'modulus by zero'],
  ['0u - 1u', 'unsigned integer overflow'],
  ['int(string(x) + "0")', "type conversion error from 'string' to 'int'"],
  ['uint(x)', 'unsigned integer overflow'],
  ['int(double(x))', 'integer overflow'],
  ['duration(string(x))', "type conversion error from 'string' to 'google.protobuf.Duration'"],
  ['timestamp(x)', 'timestamp overflow'],
  ['string(x).find("[" + "")', 'Illegal regex: error parsing regexp: missing closing ]: `[`'],
  ['quantity("1.5Gi").asInteger()', 'cannot convert value to integer'],
  [
    '"%d".format([quantity("1")])',
    'error during formatting: decimal clause can only be used on integers, was given kubernetes.Quantity',
  ],
];

for (const [source, message] of failing)
  test(`${source} fails as in Go`, () => {
    assert.throws(() => compileCel(source, ['x']).evaluate({ x: -(2n ** 63n) }), { message });
  });

const constants: [source: string, problem: string | undefined][] = [
  ['int("x") == 1', "type conversion error from 'string' to 'int'"],
  ['duration(int(dyn("x"))) == duration("1s")', "type conversion error from 'string' to 'int'"],
  ['uint(-1) == 1u', 'unsigned integer overflow'],
  ['string(b"\\xff") == ""', 'invalid UTF-8 in bytes, cannot convert to string'],
  ['"a".find("[") == ""', 'error parsing regexp: missing closing ]: `[`'],
  ['"a".findAll("(?=a)", 1) == []', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ['matches("a", "[")', 'error parsing regexp: missing closing ]: `[`'],
  ['int("1") == 1 && "a".find("a") == "a"', undefined],
];

for (const [source, problem] of constants)
  test(`what never changes is tried when ${source} is written`, () => {
    assert.equal(constantProblem(compileCel(source, [])), problem);
  });

const checked: [source: string, problem: string | undefined][] = [
  ['"%s".format([[1, "a", {"b": 1, 2: null}]])', undefined],
  ['[1, "%s".format(["a"])]', "expected type 'int' but found 'string'"],
  [
    '"%d".format([1.5])',
    'error during formatting: decimal clause can only be used on integers, was given double',
  ],
  ['"%s %s".format(["a"])', 'index 1 out of range'],
  ['"%s".format(["a", 1])', 'too many arguments supplied to string.format (expected 1, got 2)'],
  ['"%".format(["a"])', 'unexpected end of string'],
  ['"%z".format(["a"])', 'could not parse formatting clause: unrecognized formatting clause "z"'],
  [
    '"%s".format([{"a": [optional.none()]}])',
    'error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given optional_type',
  ],
  ['optional.unwrap([1])', "found no matching overload for 'optional.unwrap' applied to '(list(int))'"],
  ['"a".matches("\\x5b")', 'invalid matches argument'],
  ['matches("[", "a")', 'invalid matches argument'],
  ['timestamp("2020-02-30T00:00:00Z")', 'invalid timestamp argument'],
  ['timestamp(253402300800)', 'invalid timestamp argument'],
  ['duration("9999999999h")', 'invalid duration argument'],
];

for (const [source, problem] of checked)
  test(`${source} is ${problem ? 'refused' : 'taken'} when it is written`, () => {
    const [first] = checkExpression(source, new Map()).problems;
    assert.equal(first?.split('\n')[0]?.replace(/^ERROR: <input>:1:\d+: /, ''), problem);
  });
