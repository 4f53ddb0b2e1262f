import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serveSystemLog } from './system-logs.ts';

describe('the log files of a node', () => {
  const above = mkdtempSync(join(tmpdir(), 'system-logs-'));
  const folder = join(above, 'log');
  const server = createServer((request, response) => {
    serveSystemLog(folder, request.url!.slice('/logs'.length), response).then(
      (found) => found || response.writeHead(404).end(),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  let base = '';
  before(async () => {
    mkdirSync(join(folder, 'pods'), { recursive: true });
    writeFileSync(join(above, 'secret'), 'secret');
    writeFileSync(join(folder, 'sys log'), 'line 1\nline 2\n');
    writeFileSync(join(folder, 'a<b:c'), '');
    writeFileSync(join(folder, 'wtmp'), Buffer.from([1, 0, 2]));
    symlinkSync(join(folder, 'sys log'), join(folder, 'pods', 'link'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    rmSync(above, { recursive: true });
  });
  const get = async (path: string) => {
    const answer = await fetch(`${base}${path}`, { redirect: 'manual' });
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
  };

  it('shows a folder as a list of links', async () => {
    assert.deepEqual(await get('/logs/'), {
      status: 200,
      type: 'text/html; charset=utf-8',
      text: `<!doctype html>
<meta name="viewport" content="width=device-width">
<pre>
<a href="a%3Cb%3Ac">a&lt;b:c</a>
<a href="pods/">pods/</a>
<a href="sys%20log">sys log</a>
<a href="wtmp">wtmp</a>
</pre>
`,
    });
  });

  it('sends a folder without its slash on to the one with it', async () => {
    for (const [path, location] of [
      ['/logs', 'logs/'],
      ['/logs/pods', 'pods/'],
    ] as const) {
      const answer = await fetch(`${base}${path}`, { redirect: 'manual' });
      assert.deepEqual([answer.status, answer.headers.get('location')], [301, location]);
    }
  });

  it('shows files as they are, through links too, and says which are no texts', async () => {
    const text = { status: 200, type: 'text/plain; charset=utf-8', text: 'line 1\nline 2\n' };
    assert.deepEqual(await get('/logs/sys%20log'), text);
    assert.deepEqual(await get('/logs/pods/link'), text);
    assert.deepEqual(await get('/logs/a%3Cb%3Ac'), { ...text, text: '' });
    assert.equal((await get('/logs/wtmp')).type, 'application/octet-stream');
  });

  it('finds nothing elsewhere', async () => {
    for (const path of [
      '/logs/none',
      '/logs/wtmp/x',
      '/logs/%2e%2e/secret',
      '/logs/..%2fsecret',
      '/logs/%zz',
      '/logs/%00',
    ])
      assert.equal((await get(path)).status, 404, path);
  });
});
