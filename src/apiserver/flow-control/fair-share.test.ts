import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fairFraction, type ShareSeeker } from './fair-share.ts';

test('each gets the same part of what it should have, unless its limits forbid that', () => {
  const rows: [why: string, seekers: ShareSeeker[], seats: number, part: number][] = [
    [
      'no limit matters',
      [
        { target: 10, lower: 1, upper: 100 },
        { target: 30, lower: 1, upper: 100 },
      ],
      20,
      0.5,
    ],
    [
      'one keeps its least',
      [
        { target: 10, lower: 8, upper: 100 },
        { target: 30, lower: 1, upper: 100 },
      ],
      20,
      0.4,
    ],
    [
      'one has its most',
      [
        { target: 10, lower: 0, upper: 15 },
        { target: 10, lower: 0, upper: 100 },
      ],
      45,
      3,
    ],
    [
      'who wants nothing gets what is left',
      [
        { target: 0, lower: 0, upper: 100 },
        { target: 10, lower: 0, upper: 10 },
      ],
      11,
      1_000,
    ],
    ['all have their most', [{ target: 10, lower: 0, upper: 20 }], 20, 2],
    ['too little', [{ target: 10, lower: 8, upper: 20 }], 8, 0],
    ['too much', [{ target: 10, lower: 8, upper: 20 }], 21, 0],
    ['nobody', [], 10, 0],
  ];
  for (const [why, seekers, seats, part] of rows) {
    const found = fairFraction(seekers, seats);
    assert.ok(Math.abs(found - part) < 1e-6, `${why}: ${found} instead of ${part}`);
  }
});
