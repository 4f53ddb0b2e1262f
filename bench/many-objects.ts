/**
 * A hundred thousand objects of 1 KiB: how long the server takes to start, and for how long reads of them keep all others
 * waiting. `npm run bench:many-objects`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createListeningServer, type ListeningServer } from '../src/apiserver/http/listener.fixture.ts';
import { createSqliteStore } from '../src/storage/sqlite/sqlite-store.ts';
import type { Store } from '../src/storage/store.ts';
import type { ReaderQuestion, ReaderResult } from './list-reader.ts';

const count = 100_000;
const writesAtOnce = 1_000;
/** A turn of the compiler or the collector may fall into one reading; what the reading itself costs is seen in each. */
const rounds = 3;
const path = '/api/v1/namespaces/default/configmaps';
/** A watch ends by itself once it has had time for its initial state. */
const watchFor = '?watch=1&timeoutSeconds=10';
const labelled = 'labelSelector=tenth%3D3';

const json = 'application/json';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const protobuf = 'application/vnd.kubernetes.protobuf';
const watchedProtobuf = `${protobuf};stream=watch`;
const metadata = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

interface Read {
  read: string;
  query: string;
  accept?: string;
  /** How many it finds. */
  objects: number;
}

const reads: readonly Read[] = [
  { read: 'list in pages', query: '?limit=500', objects: count },
  { read: 'list in pages of what has a label', query: `?limit=500&${labelled}`, objects: count / 10 },
  { read: 'list in pages, as tables', query: '?limit=500', accept: table, objects: count },
  { read: 'list of all', query: '', objects: count },
  { read: 'list of all, as a table', query: '', accept: table, objects: count },
  { read: 'list of all, in protobuf', query: '', accept: protobuf, objects: count },
  { read: 'list of all, metadata only', query: '', accept: metadata, objects: count },
  { read: 'watch that begins with all', query: watchFor, objects: count },
  {
    read: 'watch that begins with all, in protobuf',
    query: watchFor,
    accept: watchedProtobuf,
    objects: count,
  },
  { read: 'watch that begins with what has a label', query: `${watchFor}&${labelled}`, objects: count / 10 },
];

const folder = mkdtempSync(join(tmpdir(), 'wherry-many-'));
try {
  const file = { path: join(folder, 'store.db') };
  await fill(file);
  const begin = process.cpuUsage();
  const store = await createSqliteStore(file);
  const listening = await createListeningServer({ store });
  try {
    const { user, system } = process.cpuUsage(begin);
    show({ startCpuSeconds: (user + system) / 1e6, aimSeconds: 5 });
    for (const read of reads) await measure(listening, read);
  } finally {
    await listening[Symbol.asyncDispose]();
    await store.close();
  }
} finally {
  rmSync(folder, { recursive: true });
}

function show(figures: object): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** The longest turn of each round, and of the best one: milliseconds of processor time. */
async function measure(
  listening: ListeningServer,
  { read, query, accept = json, objects }: Read,
): Promise<void> {
  const longestTurnsMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const turns = watchTurns();
    const answer = await readElsewhere(listening, query, accept);
    longestTurnsMs.push(Math.round(turns.stop()));
    assert.deepEqual(answer, { statuses: [200], objects });
  }
  show({ read, objects, longestTurnsMs, bestMs: Math.min(...longestTurnsMs), aimMs: 50 });
}

async function fill(file: { path: string }): Promise<void> {
  const empty = await createSqliteStore(file);
  for (let from = 0; from < count; from += writesAtOnce)
    await Promise.all(Array.from({ length: writesAtOnce }, (_, index) => write(empty, from + index)));
  await empty.close();
}

async function write(to: Store, index: number): Promise<void> {
  const name = `c${String(index).padStart(6, '0')}`;
  const metadata = {
    name,
    namespace: 'default',
    uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { tenth: String(index % 10) },
  };
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: 'x'.repeat(800) } };
  const written = await to.create(
    `/registry/configmaps/default/${name}`,
    Buffer.from(JSON.stringify(object)),
  );
  assert.ok(written.ok);
}

/** Measures how much processor time this thread spends in one turn of its event loop. */
function watchTurns(): { stop(): number } {
  let longestMs = 0;
  let isOn = true;
  const turn = () => {
    const before = process.threadCpuUsage();
    setImmediate(() => {
      const { user, system } = process.threadCpuUsage(before);
      longestMs = Math.max(longestMs, (user + system) / 1000);
      if (isOn) turn();
    });
  };
  turn();
  return {
    stop() {
      isOn = false;
      return longestMs;
    },
  };
}

/** The client has a thread of its own: its work must not count. */
async function readElsewhere(
  listening: ListeningServer,
  query: string,
  accept: string,
): Promise<ReaderResult> {
  const identity = await listening.connect('admin', ['system:masters']);
  const workerData: ReaderQuestion = { ...identity, port: listening.port, path, query, accept };
  const worker = new Worker(new URL('./list-reader.ts', import.meta.url), { workerData });
  try {
    return await new Promise<ReaderResult>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  } finally {
    await worker.terminate();
  }
}
