import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { followAuthenticationFile } from './authentication-file.ts';

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';

test('a changed file is in force once it was read, and one that became wrong is not', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'authentication-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'authentication.yaml');
  const clock = new VirtualClock();
  const metrics = new MetricsRegistry();
  const stop = new AbortController();
  const options = { file, ownIssuers: [], serverId: 'a', clock, logger: silentLogger, metrics };
  writeFileSync(file, `${head}jwt: 5\n`);
  await assert.rejects(followAuthenticationFile(options, stop.signal), /jwt: a list is wanted/);
  writeFileSync(file, `${head}anonymous: {enabled: true}\n`);
  const configured = await followAuthenticationFile(options, stop.signal);
  assert.ok(configured.admitsAnonymous('/api'));

  const put = async (text: string) => {
    writeFileSync(`${file}.new`, head + text);
    renameSync(`${file}.new`, file);
    await clock.advance(61_000);
  };
  await put('anonymous: {enabled: false}\n');
  assert.equal(configured.admitsAnonymous('/api'), false);
  await put('anonymous: {enabled: true, mood: good}\n');
  assert.equal(configured.admitsAnonymous('/api'), false);
  const text = metrics.expose();
  assert.match(text, /automatic_reloads_total\{[^}]*status="success"[^}]*\} 1\n/);
  assert.match(text, /automatic_reloads_total\{[^}]*status="failure"[^}]*\} 1\n/);
  stop.abort();
});
