/** The worker thread: owns the SQLite file, so that an fsync never holds up the event loop that serves requests. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { LogDatabase, type LogRow } from './database.ts';
import { type PackedRows, packRows } from './packed-rows.ts';
import type { AnswerEnvelope, CommitRequest, RequestEnvelope, WorkerRequest } from './protocol.ts';

// Outside of a worker it is only loaded.
if (parentPort) serve(parentPort, new LogDatabase((workerData as { path: string }).path));

function serve(port: MessagePort, database: LogDatabase): void {
  port.on('message', ({ id, request }: RequestEnvelope) => {
    perform(database, request).then(
      (answer) => {
        port.postMessage({ id, answer } satisfies AnswerEnvelope, transferred(request, answer));
        if (request.kind === 'close') port.close();
      },
      (error: Error) => port.postMessage({ id, error: error.message } satisfies AnswerEnvelope),
    );
  });
}

/** Buffers that change hands with the answer instead of being copied. */
function transferred(request: WorkerRequest, answer: unknown): ArrayBuffer[] {
  return request.kind === 'load' ? (answer as PackedRows).chunks.map(({ buffer }) => buffer) : [];
}

async function perform(database: LogDatabase, request: WorkerRequest): Promise<unknown> {
  switch (request.kind) {
    case 'commit':
      return database.append(unpack(request));
    case 'facts':
      return database.facts();
    case 'state':
      return [...firstRows(database.stateAt(request.revision, request.prefix, request.after), request.limit)];
    case 'load':
      return packRows(firstRows(database.newest(request.after), request.limit));
    case 'history':
      return [...database.history(request.prefix, request.from, request.until)];
    case 'growth':
      return database.growth(request.prefix, request.after, request.from, request.until);
    case 'compact':
      return database.compact(request.revision, () => new Promise((resolve) => setImmediate(resolve)));
    case 'size':
      return database.sizeBytes();
    case 'close':
      return database.close();
  }
}

function unpack({ firstRevision, keys, createRevisions, lengths, bytes }: CommitRequest): LogRow[] {
  let offset = 0;
  return keys.map((key, index) => {
    const length = lengths[index]!;
    const value = length < 0 ? null : bytes.subarray(offset, offset + length);
    offset += Math.max(0, length);
    return { revision: firstRevision + index, key, value, createRevision: createRevisions[index]! };
  });
}

function* firstRows(rows: Iterable<LogRow>, limit: number): Generator<LogRow, void, undefined> {
  let count = 0;
  for (const row of rows) {
    yield row;
    if (++count === limit) return;
  }
}
