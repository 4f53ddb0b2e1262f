import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { DataFolder } from '../../host/data-folder.ts';
import type { Failure } from '../../host/failure.ts';
import { withLock } from '../../host/lock.ts';
import { formatJoinToken } from '../../host/node/join.ts';
import type { CliContext } from '../context.ts';
import { agent } from './agent.ts';

test('a second agent on the same folder is refused, and says which process is in its way', async () => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-agent-'));
  try {
    const context = sparse<CliContext>({ data: sparse<DataFolder>({ path }) });
    const token = formatJoinToken({ pin: `sha256:${'a'.repeat(64)}`, token: 'abcdef.0123456789abcdef' });
    const second = () => agent.run(context, ['--server', 'https://127.0.0.1:1', '--token', token]);
    await withLock(join(path, 'agent.lock'), () =>
      assert.rejects(second(), ({ message, advice }: Failure) => {
        assert.equal(message, `this machine is a node already: by wherry agent, process ${process.pid}`);
        return advice?.endsWith(`kill ${process.pid}`) === true;
      }),
    );
  } finally {
    rmSync(path, { recursive: true });
  }
});
