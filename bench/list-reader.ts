/** A thread that reads a list to its end, page by page, or a watch until it ends, and says how many objects came. */
import { Agent } from 'node:https';
import { parentPort, workerData } from 'node:worker_threads';
import { exchange } from '../src/apiserver/http/listener.fixture.ts';

export interface ReaderQuestion {
  ca: string;
  cert: string;
  key: string;
  port: number;
  path: string;
  /** With its question mark, or empty. */
  query: string;
  /** The encoding that is asked for. */
  accept: string;
}

export interface ReaderResult {
  /** Each once. */
  statuses: number[];
  objects: number;
}

const { ca, cert, key, port, path, query, accept } = workerData as ReaderQuestion;
/** In every encoding the identity of an object is as it is here. */
const uidStart = '00000000-0000-4000-8000-';
const agent = new Agent({ ca, cert, key, keepAlive: true });
const statuses = new Set<number>();
let objects = 0;
let from: string | undefined;
do {
  const next: string = from ? `&continue=${from}` : '';
  const { status, body } = await exchange({
    host: '127.0.0.1',
    port,
    agent,
    method: 'GET',
    path: path + query + next,
    headers: { accept },
  });
  statuses.add(status);
  const text = body.toString();
  objects += text.split(uidStart).length - 1;
  from = /^.{0,200}"continue":"([^"]+)"/s.exec(text)?.[1];
} while (from);
agent.destroy();
const result: ReaderResult = { statuses: [...statuses], objects };
parentPort!.postMessage(result);
