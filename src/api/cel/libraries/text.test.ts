import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from '../environment.ts';

const cases: [string, unknown][] = [
  ['"😀a".indexOf("a")', 1n],
  ['"a😀b".lastIndexOf("b")', 2n],
  ['"😀".lastIndexOf("")', 1n],
  ['"abc".indexOf("a", 10)', -1n],
  ['"".indexOf("a", 0)', -1n],
  ['"abc".lastIndexOf("a", 10)', -1n],
  ['"abc".lastIndexOf("c", 1)', -1n],
  ['"abcabc".lastIndexOf("abc", 5)', 3n],
  ['"abc".indexOf("a", -1)', /index out of range: -1/],
  ['"😀ab".substring(1)', 'ab'],
  ['"😀ab".substring(1, 2)', 'a'],
  ['"abc".substring(4)', /index out of range: 4/],
  ['"abc".substring(2, 1)', /invalid substring range\. start: 2, end: 1/],
  ['"ÀB".lowerAscii()', 'Àb'],
  ['"àb".upperAscii()', 'àB'],
  ['"\\ufeffa\\u0085".trim()', '\ufeffa'],
  ['"\\u00a0a\\u2003".trim()', 'a'],
  ['"a😀".split("")', ['a', '😀']],
  ['"a,b,c".split(",", 2)', ['a', 'b,c']],
  ['"a,b,c".split(",", 0)', []],
  ['"😀a".replace("", "-")', '-😀-a-'],
  ['["a", "b"].indexOf("b") + dyn("ab").indexOf("b")', 2n],
  ['"abc".findAll("b|")', ['', 'b', '']],
  ['"baaab".findAll("a*")', ['', 'aaa', '']],
  ['strings.quote("a\\a\\v\\b\\f\\u0001é\\u2028")', '"a\\a\\v\\b\\f\u0001é\u2028"'],
  ['string(duration("90m")) + string(duration("-1.5s"))', '5400s-1.5s'],
  ['string(timestamp("2020-01-01T00:00:00.5Z"))', '2020-01-01T00:00:00.5Z'],
  ['string(timestamp("2020-01-01T00:00:00Z"))', '2020-01-01T00:00:00Z'],
  ['int(timestamp("2020-01-01T00:00:00Z"))', 1_577_836_800n],
  ['int(duration("5s"))', 5_000_000_000n],
];

for (const [source, expected] of cases)
  test(`${source} is as in Go`, () => {
    const evaluate = () => compileCel(source, []).evaluate({});
    if (expected instanceof RegExp) assert.throws(evaluate, expected);
    else assert.deepEqual(evaluate(), expected);
  });
