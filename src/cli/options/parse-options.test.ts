import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../context.ts';
import { nameOption, parseCount, parseOptions, parseVerb } from './parse-options.ts';

test('invalid options are one line of error', () => {
  const rows: [string[], string][] = [
    [['--bogus'], "Unknown option '--bogus'"],
    [['-x'], "Unknown option '-x'"],
    [['extra'], 'unexpected argument "extra"'],
    [['--name'], "Option '-n, --name <value>' argument missing"],
  ];
  for (const [args, message] of rows)
    assert.throws(() => parseOptions(args, nameOption), new UsageError(message));
});

test('the error of a missing or unknown subcommand lists the known ones', () => {
  const verbs = ['list', 'add'] as const;
  assert.equal(parseVerb('add', verbs), 'add');
  const rows: [string | undefined, string][] = [
    [undefined, 'a subcommand is missing; known are list, add'],
    ['ad', 'unknown subcommand "ad"; known are list, add'],
  ];
  for (const [word, message] of rows) assert.throws(() => parseVerb(word, verbs), new UsageError(message));
});

test('a count is a whole number from 1 up', () => {
  assert.equal(parseCount('--nodes', undefined), undefined);
  assert.equal(parseCount('--nodes', '3'), 3);
  for (const text of ['0', '-1', '1.5', 'many', ''])
    assert.throws(() => parseCount('--nodes', text), UsageError, text);
});
