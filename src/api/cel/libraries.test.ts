import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from './environment.ts';
import { jsonOfCel } from './values.ts';

const cases: [string, unknown][] = [
  ['[1, ?optional.of(2), ?optional.none()]', [1, 2]],
  ['{"a": 1, ?"b": optional.of(2), ?"c": optional.none()}', { a: 1, b: 2 }],
  ['[?{"a": [1]}.?a, [?optional.none()], ?{"a": [1]}[?"b"]].size()', 2],
  ['{?("a" == "b" ? "c" : "d"): true ? optional.of([?optional.of(1)]) : optional.none()}', { d: [1] }],
  ['{"a": [5, 6]}["a"][?1].value() + [?optional.of("?")].size() // [?', 7],
  ['{?"a": dyn(1)}', 'error'],
  ['[?dyn(1)]', 'error'],
  ['[1, 2, 3].all(i, v, v > i)', true],
  ['[1, 0].all(i, v, v > i)', false],
  ['{"a": 1, "b": 2}.exists(k, v, k == "b" && v == 2)', true],
  ['[5, 6].existsOne(i, v, i == 1 && v == 6)', true],
  ['[1, 2].all(i, v, i == 1 || 1 / i > 0)', 'error'],
  ['[1, 2].exists(i, v, i == 1 || 1 / i > 0)', true],
  ['[1, 2, 3].transformList(i, v, v * 2 + i)', [2, 5, 8]],
  ['[1, 2, 3].transformList(i, v, i > 0, v)', [2, 3]],
  ['{"a": 1, "b": 2}.transformMap(k, v, v + 1)', { a: 2, b: 3 }],
  ['{"a": 1, "b": 2}.transformMap(k, v, k != "a", v)', { b: 2 }],
  ['{"a": "x", "b": "y"}.transformMapEntry(k, v, {v: k})', { x: 'a', y: 'b' }],
  ['["a", "a"].transformMapEntry(i, v, {v: i})', 'error'],
  ['[[1], [2, 3]].all(i, inner, inner.all(j, v, v > i && j < 2))', true],
  ['["1.2.3.4"].all(ip, isIP(ip))', true],
  ['["a"].exists(format, format == "a")', true],
  ['format.dns1123Label().validate("a-b").hasValue()', false],
  ['format.dns1123Label().validate("A").hasValue()', true],
  ['format.dns1123LabelPrefix().validate("a-").hasValue()', false],
  ['format.named("uuid").value().validate("x").value()', ['invalid uuid']],
  ['format.named("bogus").hasValue()', false],
  ['format.labelValue().validate("a b").value().size() > 0', true],
  ['semver("1.2.3").isLessThan(semver("1.10.0"))', true],
  ['semver("1.0.0-rc.1").compareTo(semver("1.0.0"))', -1],
  ['semver("1.0.0-alpha.9").isLessThan(semver("1.0.0-alpha.10"))', true],
  ['semver("1.0.0+a").compareTo(semver("1.0.0+b"))', 0],
  ['semver("v1.2", true).patch()', 0],
  ['isSemver("v1.2")', false],
  ['isSemver("v1.2", true)', true],
  ['semver("x")', 'error'],
  ['"abc".charAt(1)', 'b'],
  ['"a.b.c".replace(".", "-")', 'a-b-c'],
  ['"a.b.c".replace(".", "-", 1)', 'a-b.c'],
  ['strings.quote("a\\"b\\n")', '"a\\"b\\n"'],
  ['ip.isCanonical("2001:db8::abcd")', true],
  ['ip.isCanonical("2001:DB8::ABCD")', false],
  ['ip("ff02::1").isLinkLocalMulticast()', true],
  ['ip("8.8.8.8").isGlobalUnicast()', true],
  ['ip("255.255.255.255").isGlobalUnicast()', false],
  ['ip("127.0.0.1") == ip("127.0.0.1")', true],
  ['string(ip("10.0.0.1"))', '10.0.0.1'],
  ['string(cidr("10.1.2.3/8").masked())', '10.0.0.0/8'],
  ['cidr("10.0.0.0/8").containsIP(ip("10.9.9.9"))', true],
  ['cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16"))', true],
  ['cidr("2001:db8::1/32").masked().ip() == ip("2001:db8::")', true],
];

for (const [source, expected] of cases)
  test(`${source} is ${JSON.stringify(expected)}`, () => {
    const evaluate = () => jsonOfCel(compileCel(source, []).evaluate({}));
    if (expected === 'error') assert.throws(evaluate);
    else assert.deepEqual(evaluate(), expected);
  });
