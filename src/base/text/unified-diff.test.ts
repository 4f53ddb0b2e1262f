import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unifiedDiff } from './unified-diff.ts';

const lines = (...list: string[]) => list.join('\n');
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

const cases: [what: string, before: string, after: string, diff: string][] = [
  ['no change', 'a\nb', 'a\nb', ''],
  ['a line changed', 'a\nb\nc', 'a\nx\nc', '@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n'],
  ['lines added at the end', 'a', 'a\nb\nc', '@@ -1 +1,3 @@\n a\n+b\n+c\n'],
  ['lines taken from the start', 'a\nb\nc', 'c', '@@ -1,3 +1 @@\n-a\n-b\n c\n'],
  ['everything changed', 'a', 'b', '@@ -1 +1 @@\n-a\n+b\n'],
  [
    'three lines of context',
    lines(...numbers(1, 20)),
    lines(...numbers(1, 9), 'x', ...numbers(11, 20)),
    '@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+x\n 11\n 12\n 13\n',
  ],
  [
    'changes far apart are hunks of their own',
    lines(...numbers(1, 20)),
    lines('x', ...numbers(2, 19), 'y'),
    '@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+y\n',
  ],
  [
    'changes close together are one hunk',
    lines(...numbers(1, 8)),
    lines('x', ...numbers(2, 7), 'y'),
    '@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n',
  ],
  // A shortest edit script may as well keep the brackets of the first item.
  [
    'the longest run of lines counts, not the shortest script',
    lines('[', '{', 'a', '}', ']'),
    lines('[', '{', 'b', '}', '{', 'a', '}', ']'),
    '@@ -1,4 +1,7 @@\n [\n+{\n+b\n+}\n {\n a\n }\n',
  ],
];
for (const [what, before, after, diff] of cases)
  test(`unified diff: ${what}`, () => assert.equal(unifiedDiff(before, after), diff));

test('unified diff: a line that is everywhere in a long text does not mislead the search', () => {
  const before = numbers(1, 150).flatMap((number) => [number, 'common']);
  const after = ['common', 'common', ...before.slice(2)];
  assert.equal(
    unifiedDiff(lines(...before), lines(...after)),
    '@@ -1,4 +1,4 @@\n-1\n+common\n common\n 2\n common\n',
  );
});

test('unified diff: texts of any size take little time', () => {
  const before = Array.from({ length: 100_000 }, (_, index) => String(index % 7));
  const after = before.toSpliced(50_000, 1, 'x');
  const startedAtMs = performance.now();
  assert.equal(
    unifiedDiff(lines(...before), lines(...after)),
    '@@ -49998,7 +49998,7 @@\n 3\n 4\n 5\n-6\n+x\n 0\n 1\n 2\n',
  );
  assert.ok(performance.now() - startedAtMs < 5_000);
});
