import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';

const random = seededRandom(42);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!;
const keys = ['a', 'b', 'example.com/c', 'in', 'notin'];
const values = ['', '1', '2', 'x', 'in', 'A_b.c-d'];

type Check = (labels: Record<string, string>) => boolean;

/** A requirement as text, and what it means said another way. */
function randomRequirement(): [text: string, holds: Check] {
  const key = pick(keys);
  const value = pick(values);
  const set = values.filter(() => random.next() < 0.4);
  const space = () => pick(['', ' ', '  ']);
  switch (pick(['=', '==', '!=', 'in', 'notin', 'exists', 'absent', '>', '<'])) {
    case '=':
      return [`${key}${space()}=${space()}${value}`, (labels) => labels[key] === value];
    case '==':
      return [`${key}==${value}`, (labels) => labels[key] === value];
    case '!=':
      return [`${key}!=${space()}${value}`, (labels) => labels[key] !== value];
    case 'in':
      return [
        `${key} in (${set.join(`${space()},`)})`,
        ({ [key]: label }) => label !== undefined && (set.length === 0 ? label === '' : set.includes(label)),
      ];
    case 'notin':
      return [
        `${key} notin${space()}(${set.join(',')})`,
        ({ [key]: label }) => label === undefined || !(set.length === 0 ? label === '' : set.includes(label)),
      ];
    case 'exists':
      return [key, (labels) => key in labels];
    case 'absent':
      return [`!${space()}${key}`, (labels) => !(key in labels)];
    case '>':
      return [`${key}>1`, (labels) => /^\d+$/.test(labels[key] ?? '') && Number(labels[key]) > 1];
    default:
      return [`${key}<2`, (labels) => /^\d+$/.test(labels[key] ?? '') && Number(labels[key]) < 2];
  }
}

const randomLabels = () =>
  Object.fromEntries(keys.filter(() => random.next() < 0.5).map((key) => [key, pick(values)]));

test('label selectors select what their requirements say', () => {
  for (let round = 0; round < 3000; round++) {
    const requirements = Array.from({ length: 1 + Math.floor(random.next() * 3) }, randomRequirement);
    const text = requirements.map(([part]) => part).join(pick([',', ' , ']));
    const selector = parseLabelSelector(text);
    for (let probe = 0; probe < 5; probe++) {
      const labels = randomLabels();
      const expected = requirements.every(([, holds]) => holds(labels));
      assert.equal(selector.matches(labels), expected, `${text} on ${JSON.stringify(labels)}`);
    }
  }
});

test('field selectors find values with anything in them', () => {
  const odd = ['', 'a', 'a,b', 'a=b', 'a\\b', '\\', ',', '!=', 'x y', 'é'];
  for (let round = 0; round < 1000; round++) {
    const terms = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => ({
      field: pick(['metadata.name', 'spec.x']),
      equals: random.next() < 0.5,
      value: pick(odd),
    }));
    const text = terms
      .map(
        ({ field, equals, value }) =>
          `${field}${equals ? pick(['=', '==']) : '!='}${value.replaceAll(/[\\,=]/g, '\\$&')}`,
      )
      .join(',');
    const fields = { 'metadata.name': pick(odd), 'spec.x': pick(odd) } as Record<string, string>;
    const expected = terms.every(({ field, equals, value }) => (fields[field] === value) === equals);
    assert.equal(parseFieldSelector(text).matches(fields), expected, text);
  }
});
