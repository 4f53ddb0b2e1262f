import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  milliValueOf,
  parseQuantity,
  QuantityError,
  subtractQuantities,
  wholeValueOf,
} from './quantity.ts';

const canonical: [string, string][] = [
  ['0', '0'],
  ['0Mi', '0'],
  ['1', '1'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['0.5', '500m'],
  ['.5', '500m'],
  ['1.', '1'],
  ['1.5Gi', '1536Mi'],
  ['1024Ki', '1Mi'],
  ['1023Ki', '1023Ki'],
  ['512', '512'],
  ['0.5Ki', '512'],
  ['1000', '1k'],
  ['1000000', '1M'],
  ['1001', '1001'],
  ['2e3', '2e3'],
  ['20e2', '2e3'],
  ['1E6', '1e6'],
  ['1E', '1E'],
  ['1Ei', '1Ei'],
  ['100Ei', '9223372036854775807'],
  ['-5m', '-5m'],
  ['+5', '5'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['100u', '100u'],
  ['1.2345678915', '1234567892n'],
];

for (const [text, expected] of canonical) {
  test(`${text} is written ${expected}`, () => assert.equal(formatQuantity(parseQuantity(text)), expected));
}

for (const text of [
  '',
  'abc',
  '1.2.3',
  '1 Gi',
  'Gi',
  '.',
  '--1',
  '1 ',
  '1i',
  '1KiB',
  '1e',
  '1mm',
  '1K',
  '5x',
])
  test(`${JSON.stringify(text)} is no quantity`, () =>
    assert.throws(() => parseQuantity(text), QuantityError));

test('whole and milli values are rounded up', () => {
  assert.equal(wholeValueOf('1m'), 1);
  assert.equal(wholeValueOf('1.5Gi'), 1536 * 1024 * 1024);
  assert.equal(milliValueOf('0.1m'), 1);
  assert.equal(milliValueOf('2'), 2000);
  assert.equal(wholeValueOf(4), 4);
});

test('sums are exact and keep the format of the first that is not zero', () => {
  assert.equal(formatQuantity(addQuantities(parseQuantity('1Gi'), parseQuantity('512Mi'))), '1536Mi');
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('1Gi'))), '1Gi');
  assert.equal(formatQuantity(subtractQuantities(parseQuantity('1'), parseQuantity('900m'))), '100m');
  assert.equal(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G')), 1);
  assert.equal(compareQuantities(parseQuantity('1000m'), parseQuantity('1')), 0);
});
