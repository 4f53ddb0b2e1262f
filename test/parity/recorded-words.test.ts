/**
 * What a real API server of Kubernetes 1.36 answered when objects were created (as a dry run) with errors, or with
 * something that deserves a warning: its messages, their order, and the fields that they name, to the letter.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startParityServer } from './server.ts';

interface RecordedAnswer {
  id: string;
  path: string;
  body: unknown;
  status: number;
  message?: string;
  /** Field and reason of each. */
  causes?: string[];
  warning?: string;
}

interface Status {
  message?: string;
  details?: { causes?: { field?: string; reason?: string }[] };
}

function loadAnswers(): RecordedAnswer[] {
  const text = gunzipSync(readFileSync(new URL('data/words-1.36.jsonl.gz', import.meta.url))).toString();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line.replaceAll(movedKinds, '$1.extensions ')) as RecordedAnswer);
}

/** Their errors name the group in which they were first registered, as long as that is served (ADR 0022). */
const movedKinds = /\b(Ingress|NetworkPolicy)\.networking\.k8s\.io (?=\\"[^"]*\\" is invalid)/g;

const json = { 'content-type': 'application/json' };

test('invalid objects are reported in the very words of 1.36', { timeout: 120_000 }, async () => {
  const server = await startParityServer();
  try {
    const { client } = server;
    const namespace = JSON.stringify({ metadata: { name: 'recorded' } });
    await client.send({ method: 'POST', path: '/api/v1/namespaces', headers: json, body: namespace });
    const account = JSON.stringify({ metadata: { name: 'default' } });
    await client.send({
      method: 'POST',
      path: '/api/v1/namespaces/recorded/serviceaccounts',
      headers: json,
      body: account,
    });
    const answers = loadAnswers();
    assert.ok(answers.length > 100, 'the recorded answers are there');
    for (const { id, path, body, ...recorded } of answers) {
      const { status, headers, text } = await client.send({
        method: 'POST',
        path,
        headers: json,
        body: JSON.stringify(body),
      });
      const { message, details } = JSON.parse(text) as Status;
      const causes = details?.causes?.map(({ field, reason }) => (reason ? `${field} ${reason}` : field));
      assert.deepEqual(
        {
          status,
          ...(status !== 201 && { message }),
          ...(causes && { causes }),
          ...(headers.warning && { warning: headers.warning }),
        },
        recorded,
        id,
      );
    }
  } finally {
    await server.close();
  }
});
