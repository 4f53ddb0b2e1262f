/**
 * What a real API server of Kubernetes 1.36 answered when objects were replaced (as a dry run) with something changed in
 * them, most often something that cannot change: its words, differences and all, to the letter.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { RawAnswer } from './https-client.ts';
import { type ParityServer, startParityServer } from './server.ts';

/** Is made first. */
interface Base {
  base: string;
  path: string;
  body: { metadata: { name: string } };
}

interface RecordedChange {
  /** Of which base. */
  of: string;
  /** Values by their places; null takes away what is there. */
  set: [path: (string | number)[], value: unknown][];
  status: number;
  message?: string;
  /** Field and reason of each. */
  causes?: string[];
}

type Json = Record<string | number, unknown>;

interface Stored extends Json {
  metadata: { name: string; uid: string };
}

interface Status {
  message: string;
  details?: { causes?: { field?: string; reason?: string }[] };
}

interface Made {
  url: string;
  object: Stored;
}

function send({ client }: ParityServer, method: string, path: string, body: unknown): Promise<RawAnswer> {
  const headers = { 'content-type': 'application/json' };
  return client.send({ method, path, headers, body: JSON.stringify(body) });
}

function load(): { bases: Base[]; changes: RecordedChange[] } {
  const text = gunzipSync(readFileSync(new URL('data/changes-1.36.jsonl.gz', import.meta.url))).toString();
  const lines = text.trimEnd().split('\n');
  const all = lines.map((line) => JSON.parse(line) as Base | RecordedChange);
  return {
    bases: all.filter((line) => 'base' in line),
    changes: all.filter((line) => 'of' in line),
  };
}

function setAt(object: Json, path: (string | number)[], value: unknown): void {
  let at = object;
  for (const key of path.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Json;
  }
  if (value === null) delete at[path.at(-1)!];
  else at[path.at(-1)!] = value;
}

async function make(server: ParityServer, bases: Base[]): Promise<Map<string, Made>> {
  await send(server, 'POST', '/api/v1/namespaces', { metadata: { name: 'recorded' } });
  const accounts = '/api/v1/namespaces/recorded/serviceaccounts';
  await send(server, 'POST', accounts, { metadata: { name: 'default' } });
  const made = new Map<string, Made>();
  for (const { base, path, body } of bases) {
    const answer = await send(server, 'POST', path, body);
    assert.equal(answer.status, 201, answer.text);
    const object = JSON.parse(answer.text) as Stored;
    made.set(base, { url: `${path}/${object.metadata.name}`, object });
  }
  return made;
}

test('forbidden changes are reported in the very words of 1.36', { timeout: 120_000 }, async () => {
  const server = await startParityServer();
  try {
    const { bases, changes } = load();
    assert.ok(changes.length > 80, 'the recorded answers are there');
    const made = await make(server, bases);
    for (const { of, set, ...recorded } of changes) {
      const { url, object } = made.get(of)!;
      const changed = structuredClone(object);
      for (const [path, value] of set) setAt(changed, path, value);
      const { status, text } = await send(server, 'PUT', `${url}?dryRun=All`, changed);
      const { message, details } = JSON.parse(text) as Status;
      const causes = details?.causes?.map(({ field, reason }) =>
        reason ? `${field} ${reason}` : `${field}`,
      );
      assert.deepEqual(
        {
          status,
          ...(status !== 200 && { message: message.replaceAll(object.metadata.uid, '<uid>') }),
          ...(causes && { causes }),
        },
        recorded,
        `${of}: ${JSON.stringify(set)}`,
      );
    }
  } finally {
    await server.close();
  }
});
