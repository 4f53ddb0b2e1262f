/**
 * Long YAML is parsed on a separate thread: the largest body that a client may send takes most of a second, in which no
 * other request would be answered. The thread exists while it is needed.
 */
import { Worker } from 'node:worker_threads';
import type { ParsedText } from '../../../api/schema/body/json.ts';
import { parseAsJson, parseYaml, YamlError } from '../../../api/schema/body/yaml.ts';
import type { ReadYaml } from './long-yaml-worker.ts';

/** A body of this length takes about 10 ms; a thread has its price, too. */
const readAtOnceBytesMax = 64 * 1024;
const idleMsMax = 10_000;

/** Like {@link parseYaml}, for this body: a long one was parsed before, and this only returns the outcome. */
export async function yamlReader(bytes: Uint8Array): Promise<(text: string) => ParsedText> {
  if (bytes.length <= readAtOnceBytesMax) return parseYaml;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const json = parseAsJson(text);
  if (json) return () => json;
  const outcome = await readApart(text);
  return () => {
    if ('mistake' in outcome) throw new YamlError(outcome.mistake);
    return outcome.parsed;
  };
}

interface Thread {
  worker: Worker;
  /** Answers come in the order of the questions. */
  waiting: { resolve(outcome: ReadYaml): void; reject(error: Error): void }[];
  idle: NodeJS.Timeout | undefined;
}

let thread: Thread | undefined;

function readApart(text: string): Promise<ReadYaml> {
  thread ??= startThread();
  const { worker, waiting, idle } = thread;
  clearTimeout(idle);
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.postMessage(text);
  });
}

function startThread(): Thread {
  const worker = new Worker(new URL('./long-yaml-worker.ts', import.meta.url));
  worker.unref();
  const started: Thread = { worker, waiting: [], idle: undefined };
  const end = (error: Error) => {
    if (thread === started) thread = undefined;
    for (const { reject } of started.waiting.splice(0)) reject(error);
  };
  worker.on('message', (outcome: ReadYaml) => {
    started.waiting.shift()?.resolve(outcome);
    if (started.waiting.length > 0) return;
    started.idle = setTimeout(() => {
      end(new Error('the thread was idle'));
      void worker.terminate();
    }, idleMsMax).unref();
  });
  worker.on('error', (error) => end(new Error('a long YAML document could not be read', { cause: error })));
  worker.on('exit', () => end(new Error('the thread that reads YAML has ended')));
  return started;
}
