/**
 * Long YAML is read and written on a separate thread: the largest body that a client may send takes most of a second, in
 * which no other request would be answered. The thread exists while it is needed.
 */
import { Worker } from 'node:worker_threads';
import type { ParsedText } from '../../../api/schema/body/json.ts';
import { parseAsJson, parseYaml, YamlError } from '../../../api/schema/body/yaml.ts';
import { formatYaml } from '../../../api/schema/body/yaml-writer.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';
import type { ReadYaml, YamlTask } from './long-yaml-worker.ts';

/** A body of this length takes about 10 ms either way; a thread has its price, too. */
const atOnceBytesMax = 64 * 1024;
const idleMsMax = 10_000;

/** Like {@link parseYaml}, for this body: a long one was parsed before, and this only returns the outcome. */
export async function yamlReader(bytes: Uint8Array): Promise<(text: string) => ParsedText> {
  if (bytes.length <= atOnceBytesMax) return parseYaml;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const json = parseAsJson(text);
  if (json) return () => json;
  const outcome = await doApart({ yaml: text });
  return () => {
    if ('mistake' in outcome) throw new YamlError(outcome.mistake);
    return outcome.parsed;
  };
}

/** The same value as {@link formatYaml} writes it. */
export async function yamlOfJson(json: Buffer): Promise<Buffer> {
  const text = json.toString('utf8');
  if (json.length <= atOnceBytesMax) return Buffer.from(formatYaml(parseExactJson(text)));
  return Buffer.from(await doApart({ json: text }));
}

interface Thread {
  worker: Worker;
  /** Answers come in the order of the questions. */
  waiting: { resolve(outcome: ReadYaml | string): void; reject(error: Error): void }[];
  idle: NodeJS.Timeout | undefined;
}

let thread: Thread | undefined;

function doApart(task: { yaml: string }): Promise<ReadYaml>;
function doApart(task: { json: string }): Promise<string>;
function doApart(task: YamlTask): Promise<ReadYaml | string> {
  thread ??= startThread();
  const { worker, waiting, idle } = thread;
  clearTimeout(idle);
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.postMessage(task);
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
  worker.on('message', (outcome: ReadYaml | string) => {
    started.waiting.shift()?.resolve(outcome);
    if (started.waiting.length > 0) return;
    started.idle = setTimeout(() => {
      end(new Error('the thread was idle'));
      void worker.terminate();
    }, idleMsMax).unref();
  });
  worker.on('error', (error) =>
    end(new Error('a long YAML document could be neither read nor written', { cause: error })),
  );
  worker.on('exit', () => end(new Error('the thread for long YAML has ended')));
  return started;
}
