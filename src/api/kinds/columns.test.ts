import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLabels, formatSelector, humanDuration } from './columns.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test('ages are shown in the one or two units that matter', () => {
  const rows: [number, string][] = [
    [0, '0s'],
    [-5 * second, '<invalid>'],
    [59 * second, '59s'],
    [119 * second, '119s'],
    [120 * second, '2m'],
    [9 * minute + 3 * second, '9m3s'],
    [10 * minute + 3 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour + 5 * minute, '3h5m'],
    [8 * hour + 5 * minute, '8h'],
    [47 * hour, '47h'],
    [2 * day + 2 * hour, '2d2h'],
    [8 * day + 2 * hour, '8d'],
    [729 * day, '729d'],
    [2 * 365 * day + 3 * day, '2y3d'],
    [9 * 365 * day, '9y'],
  ];
  for (const [ms, text] of rows) assert.equal(humanDuration(ms), text);
});

test('selectors are shown in the form that kubectl accepts', () => {
  assert.equal(formatSelector(undefined), '<none>');
  assert.equal(formatSelector({}), '<none>');
  assert.equal(
    formatSelector({
      matchLabels: { b: '1' },
      matchExpressions: [
        { key: 'a', operator: 'In', values: ['y', 'x'] },
        { key: 'c', operator: 'DoesNotExist' },
        { key: 'd', operator: 'Exists' },
        { key: 'e', operator: 'NotIn', values: ['z'] },
      ],
    }),
    'a in (x,y),b=1,!c,d,e notin (z)',
  );
  assert.equal(formatLabels({ b: '2', a: '1' }), 'a=1,b=2');
});
