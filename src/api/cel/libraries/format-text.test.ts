import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from '../environment.ts';

/** As upstream prints them. */
const cases: [string, string | RegExp][] = [
  ['"%s %s".format(["a", b"bc"])', 'a bc'],
  ['"%s".format([["a\\"", 1, 1.5, true, null, b"xy"]])', '["a\\"", 1, 1.500000, true, null, b"xy"]'],
  ['"%s".format([[duration("90s")]])', '[duration("90s")]'],
  ['"%s".format([[timestamp("2020-01-01T00:00:00Z")]])', '[timestamp("2020-01-01T00:00:00Z")]'],
  ['"%s".format([{"b": "x", "a": 1.5, "c": [1]}])', '{"a":1.500000, "b":"x", "c":[1]}'],
  ['"%s %s %s".format([1.5, 10000000.0, 0.00001])', '1.5 1e+07 1e-05'],
  ['"%s %s".format([duration("1.5s"), timestamp("2020-01-01T00:00:00.5Z")])', '1.5s 2020-01-01T00:00:00.5Z'],
  ['"%s %s".format([type(1), 5u])', 'int 5'],
  ['"%f %.2f %.0f".format([1234.5, -1234567.555, 2.5])', '1,234.500000 -1,234,567.55 2'],
  ['"%.1f %.1f".format([0.25, 0.35])', '0.2 0.3'],
  ['"%f".format([1e21])', '1,000,000,000,000,000,000,000.000000'],
  ['"%f %f %e".format(["NaN", "Infinity", "-Infinity"])', 'NaN ∞     -∞'],
  ['"%e %e".format([1052.032911275, 0.0])', '1.052033×10⁰³ 0.000000×10⁰⁰'],
  ['"%.3e".format([0.0000123])', '1.230000×10⁻⁰⁵'],
  ['"%e".format([12345665.0])', '1.234566×10⁰⁷'],
  ['"%d %x %X %o %b".format([5u, b"hello", "hello", 8u, -5])', '5 68656c6c6f 68656C6C6F 10 -101'],
  ['"%d%%".format([1])', '1%'],
  ['"%f".format([dyn(1)])', /fixed-point clause can only be used on doubles, was given int/],
  ['"%d".format([dyn(1.0)])', /decimal clause can only be used on integers, was given double/],
  ['"%s".format([dyn(optional.of(1))])', /was given optional_type/],
  ['"%q".format(["a"])', /could not parse formatting clause: unrecognized formatting clause "q"/],
  ['"%5d".format([1])', /unrecognized formatting clause "5"/],
  ['"%.3".format([1])', /could not find end of precision specifier/],
  ['"a%".format([1])', /unexpected end of string/],
  ['"%s".format([])', /index 0 out of range/],
];

for (const [source, expected] of cases)
  test(`${source} is ${expected}`, () => {
    const evaluate = () => compileCel(source, []).evaluate({});
    if (expected instanceof RegExp) assert.throws(evaluate, expected);
    else assert.equal(evaluate(), expected);
  });
