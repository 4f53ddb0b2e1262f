import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';

const matching: [string, Record<string, string>, boolean][] = [
  ['', {}, true],
  ['a', { a: '' }, true],
  ['a', {}, false],
  ['!a', {}, true],
  ['! a', { a: '1' }, false],
  ['a=1', { a: '1' }, true],
  ['a==1', { a: '2' }, false],
  ['a!=1', {}, true],
  ['a!=1', { a: '1' }, false],
  ['a=', { a: '' }, true],
  ['a in (1,2)', { a: '2' }, true],
  ['a in (1,2)', {}, false],
  ['a notin (1,2)', {}, true],
  ['a in ()', { a: '' }, true],
  ['a in (1,)', { a: '' }, true],
  ['a>1', { a: '2' }, true],
  ['a<1', { a: '2' }, false],
  ['a>1', { a: 'x' }, false],
  ['a=1,b=2', { a: '1', b: '2' }, true],
  ['a=1,b=2', { a: '1' }, false],
  ['in=in', { in: 'in' }, true],
  ['in in (in)', { in: 'in' }, true],
  ['example.com/a', { 'example.com/a': 'x' }, true],
  ['toString', {}, false],
];
for (const [selector, labels, expected] of matching) {
  test(`the label selector "${selector}" ${expected ? 'selects' : 'leaves out'} ${JSON.stringify(labels)}`, () => {
    assert.equal(parseLabelSelector(selector).matches(labels), expected);
  });
}

const refusals: [string, RegExp][] = [
  ['a=b c', /^found 'c', expected: ',' or 'end of string'$/],
  ['a~b', /^unable to parse requirement: <nil>: Invalid value: "a~b": name part must consist/],
  ['n>x', /^unable to parse requirement: values\[0\]: Invalid value: "x": for 'Gt', 'Lt' operators/],
  [
    `a=${'b'.repeat(64)}`,
    /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "b+": must be no more than 63/,
  ],
  ['n!!=1', /^unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt$/],
  ['l=p,', /^found '', expected: identifier after ','$/],
  [',a', /^found ',', expected: !, identifier, or 'end of string'$/],
  ['a in b', /^unable to parse requirement: found 'b' expected: '\('$/],
  ['a in (b', /^unable to parse requirement: found '', expected: ',' or '\)'$/],
  ['a=(', /^unable to parse requirement: found '\(', expected: identifier$/],
];
for (const [selector, message] of refusals) {
  test(`the label selector "${selector.slice(0, 20)}" is refused`, () => {
    assert.throws(() => parseLabelSelector(selector), { code: 400, message });
  });
}

test('a field selector compares fields as text and knows escapes', () => {
  const selector = parseFieldSelector('spec.nodeName=n1,status.phase!=Failed');
  assert.equal(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Running' }), true);
  assert.equal(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Failed' }), false);
  assert.equal(selector.requiredValue('spec.nodeName'), 'n1');
  assert.equal(selector.requiredValue('status.phase'), undefined);
  assert.equal(parseFieldSelector('a=x\\,y\\=z').matches({ a: 'x,y=z' }), true);
  assert.equal(parseFieldSelector('').empty, true);
});

test('a field selector without an operator or with a bad escape is refused', () => {
  assert.throws(() => parseFieldSelector('a'), { message: "invalid selector: 'a'; can't understand 'a'" });
  assert.throws(() => parseFieldSelector('a=\\x'), {
    message: 'invalid field selector: invalid escape sequence: \\x',
  });
  assert.throws(() => parseFieldSelector('a=b=c'), {
    message: 'invalid field selector: unescaped character in value: 61',
  });
});
