import assert from 'node:assert/strict';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processIdentity } from '../processes/process.ts';
import { anyFreePort, claimPort } from './ports.ts';

test('a port is claimed by one process at a time, and not while one listens on it', async () => {
  const [first, second] = [await anyFreePort(), await anyFreePort()];
  const one = (await claimPort([first, second]))!;
  const two = (await claimPort([first, second]))!;
  assert.deepEqual([one.port, two.port], [first, second]);
  assert.equal(await claimPort([first, second]), undefined);
  one.release();
  two.release();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(first, '127.0.0.1', resolve));
  const free = (await claimPort([first, second]))!;
  assert.equal(free.port, second);
  free.release();
  server.close();
});

test('a claim whose holder is gone is taken over', async () => {
  const port = await anyFreePort();
  const file = join(tmpdir(), `wherry-port-${port}.lock`);
  const gone = JSON.stringify({ ...processIdentity(process.pid)!, bootId: 'another' });
  // The second one is what a full disk has left of a file that an older version wrote.
  for (const leave of [() => symlinkSync(gone, file), () => writeFileSync(file, '')]) {
    leave();
    const claim = (await claimPort([port]))!;
    assert.equal(claim?.port, port);
    claim.release();
    assert.equal(existsSync(file), false);
  }
});
