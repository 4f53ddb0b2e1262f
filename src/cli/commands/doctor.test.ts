import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { dataFolder } from '../../host/data-folder.ts';
import { firstApiPort, isPortFree } from '../../host/network/ports.ts';
import type { CliContext } from '../context.ts';
import { doctor } from './doctor.ts';

async function linesOf(t: TestContext): Promise<string[]> {
  const path = mkdtempSync(join(tmpdir(), 'wherry-doctor-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const lines: string[] = [];
  await doctor.run(
    sparse<CliContext>({ data: dataFolder(path), print: (line: string) => lines.push(line) }),
    [],
  );
  return lines;
}

test('before there is a cluster, the doctor looks at the port of the first one', async (t) => {
  if (await isPortFree(firstApiPort)) {
    const taken = createServer().listen(firstApiPort, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
  }
  const lines = await linesOf(t);
  const at = lines.findIndex((line) => line.includes(`port ${firstApiPort}`));
  assert.match(lines[at] ?? '', /! port 6443 +is taken by another program/);
  assert.match(lines[at + 1] ?? '', /wherry up chooses another port/);
});
