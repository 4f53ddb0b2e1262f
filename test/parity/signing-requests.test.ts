/**
 * What upstream's library says of requests for certificates that were damaged: for each of its messages, requests that
 * get it, as edits of bytes of sound ones.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { signingRequestProblem } from '../../src/api/certificates/pkcs10.ts';

interface SoundRequest {
  base: string;
  /** Base64. */
  der: string;
}

interface DamagedRequest {
  base: string;
  /** Positions and what is put there. */
  edits: [number, number][];
  /** What is left of it, in bytes. */
  length?: number;
  /** Empty: it is valid nevertheless. */
  message: string;
}

const file = new URL('data/signing-requests.jsonl.gz', import.meta.url);
const recorded = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as SoundRequest | DamagedRequest);

test('damaged requests for certificates are refused in upstream’s words', () => {
  const sound = new Map<string, Buffer>();
  let count = 0;
  for (const row of recorded) {
    if ('der' in row) {
      sound.set(row.base, Buffer.from(row.der, 'base64'));
      continue;
    }
    const bytes = Buffer.from(sound.get(row.base)!);
    for (const [at, value] of row.edits) bytes[at] = value;
    const der = bytes.subarray(0, row.length ?? bytes.length);
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    const problem = signingRequestProblem(Buffer.from(pem));
    assert.equal(problem ?? '', row.message, `${row.base} ${JSON.stringify(row.edits)} ${row.length ?? ''}`);
    count++;
  }
  assert.ok(count > 300);
});
