import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from './context.ts';
import { nameOption, parseCount, parseOptions } from './options.ts';

test('options that make no sense are told in one line', () => {
  const rows: [string[], string][] = [
    [['--bogus'], "Unknown option '--bogus'"],
    [['-x'], "Unknown option '-x'"],
    [['extra'], 'unexpected argument "extra"'],
    [['--name'], "Option '-n, --name <value>' argument missing"],
  ];
  for (const [args, message] of rows)
    assert.throws(() => parseOptions(args, nameOption), new UsageError(message));
});

test('a count is a whole number from 1 up', () => {
  assert.equal(parseCount('--nodes', undefined), undefined);
  assert.equal(parseCount('--nodes', '3'), 3);
  for (const text of ['0', '-1', '1.5', 'many', ''])
    assert.throws(() => parseCount('--nodes', text), UsageError, text);
});
