import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, run, succeeds } from './command.ts';
import { withoutDescriptors } from './descriptors.fixture.ts';

const shell = (script: string, options = {}) => run('sh', ['-c', script], options);

async function failureOf(work: Promise<unknown>): Promise<CommandError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CommandError);
  return error;
}

test('a program reads its input, and its output is the result', async () => {
  assert.equal(await shell('cat', { input: 'words' }), 'words');
});

test('a program that never reads its input ends as it would without', async () => {
  assert.equal(await shell('exec <&-; echo done', { input: 'x'.repeat(1024 * 1024) }), 'done\n');
});

test('a failure has the exit code, and shows the last lines of standard error', async () => {
  const { code, stderr, message } = await failureOf(shell('seq 1 7 >&2; exit 3'));
  assert.equal(code, 3);
  assert.equal(stderr, '1\n2\n3\n4\n5\n6\n7\n');
  assert.match(message, /: 3\n4\n5\n6\n7$/);
});

test('a failure without a word shows the exit code', async () => {
  assert.match((await failureOf(shell('exit 3'))).message, /: exit code 3$/);
});

test('standard error is kept up to a limit', async () => {
  const { stderr } = await failureOf(shell('head -c 1000000 /dev/zero >&2; exit 1'));
  assert.equal(stderr.length, 64 * 1024);
});

test('a program that does not exist is distinguished from one that fails', async () => {
  const error = await failureOf(run('no-such-program-here', ['x']));
  assert.ok(error.isMissingProgram);
  assert.equal(error.message, 'no-such-program-here x: not found');
  assert.equal((await failureOf(shell('exit 127'))).isMissingProgram, false);
});

test('a program that takes too long is killed', async () => {
  assert.equal((await failureOf(run('sleep', ['60'], { timeoutMs: 20 }))).code, 'SIGKILL');
});

test('that its time was up is what a killed program failed of, whatever it wrote before', async () => {
  const late = await failureOf(
    run('sh', ['-c', 'echo unexpected EOF >&2; exec sleep 60'], { timeoutMs: 500 }),
  );
  assert.equal(late.isTimeout, true);
  assert.match(late.message, /: not done after 0\.5 s$/);
  assert.equal((await failureOf(shell('kill -9 $$'))).isTimeout, false);
});

test('whether a program succeeds follows from its exit code, and one that cannot start is an error', async () => {
  assert.equal(await succeeds('true', []), true);
  assert.equal(await succeeds('false', []), false);
  await assert.rejects(succeeds('no-such-program-here', []), CommandError);
});

test('a program that cannot be started for want of descriptors fails, and takes no other process down', () => {
  const outcome = withoutDescriptors(
    { command: new URL('./command.ts', import.meta.url) },
    `return command.run('true', []).then(() => 'done', (error) => error.name + ' ' + error.code);`,
  );
  assert.equal(outcome, 'CommandError EMFILE');
});
