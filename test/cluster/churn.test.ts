/** Memory stays flat over a long churn: what is written, shown to watchers and deleted leaves nothing behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createListeningServer } from '../../src/apiserver/http/listener.fixture.ts';
import { configMap } from '../../src/apiserver/server.fixture.ts';
import { createSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const path = '/api/v1/namespaces/default/configmaps';
const writersCount = 16;
/** Each writes an object, changes it twice and deletes it again. */
const turnsPerLap = 100;
/** What the first laps leave: the history kept for watches, and compiled code. */
const lapsBefore = 2;
const lapsMeasured = 3;
/** 1,600 objects of 2 KiB come and go in a lap: kept for good, they would be far more in each. */
const growthBytesMax = 1024 * 1024;

test('objects that come and go leave no memory behind', { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-churn-'));
  const store = await createSqliteStore({ path: join(folder, 'store.db') });
  const listening = await createListeningServer({ store });
  const stop = new AbortController();
  try {
    const { transport } = listening.server;
    const follow = async (query: string) => {
      let events = 0;
      const answer = await transport.send({
        method: 'GET',
        path: `${path}?watch=1${query}`,
        signal: stop.signal,
      });
      assert.ok('events' in answer);
      for await (const _event of answer.events) events++;
      return events;
    };
    const watches = [follow(''), follow('&labelSelector=a%3Db'), follow('&allowWatchBookmarks=true')];
    const used: number[] = [];
    for (let lap = 0; lap < lapsBefore + lapsMeasured; lap++) {
      await Promise.all(Array.from({ length: writersCount }, (_, writer) => churn(listening, writer, lap)));
      used.push(await memoryInUse());
    }
    stop.abort();
    const events = await Promise.all(watches);
    assert.ok(Math.min(...events) >= writersCount * turnsPerLap, 'the watches saw it all');
    const growth = used.slice(1).map((bytes, lap) => bytes - used[lap]!);
    // What is left behind is so in every lap; a compiled function or a buffer that grows is in one.
    const least = Math.min(...growth.slice(lapsBefore - 1));
    assert.ok(least < growthBytesMax, `grows by ${growth} bytes; in use: ${used}`);
  } finally {
    stop.abort();
    await listening[Symbol.asyncDispose]();
    await store.close();
    rmSync(folder, { recursive: true });
  }
});

async function churn(
  { server }: Awaited<ReturnType<typeof createListeningServer>>,
  writer: number,
  lap: number,
): Promise<void> {
  for (let turn = 0; turn < turnsPerLap; turn++) {
    const name = `c-${writer}-${lap}-${turn}`;
    const made = await server.ask('POST', path, configMap(name, { a: 'x'.repeat(2048) }, { a: 'b' }));
    assert.equal(made.status, 201);
    for (const a of ['1', '2']) {
      const patched = await server.ask(
        'PATCH',
        `${path}/${name}`,
        { data: { a } },
        'application/merge-patch+json',
      );
      assert.equal(patched.status, 200);
    }
    assert.equal((await server.ask('GET', `${path}/${name}`)).status, 200);
    assert.equal((await server.ask('DELETE', `${path}/${name}`)).status, 200);
  }
}

/** Bytes that are still reachable: what a turn of the event loop has read by a weak reference lives until its end. */
async function memoryInUse(): Promise<number> {
  for (let collection = 0; collection < 2; collection++) {
    await nextTurn();
    collectGarbage();
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
