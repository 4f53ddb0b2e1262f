import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import { besideAdapters } from './beside-adapters.ts';

const streamed = (status: number, text: string): ApiResponse => ({
  type: 'stream',
  status,
  headers: {},
  body: Readable.from([text]),
});
const ours: ApiResponse = { type: 'plain', status: 200, object: { of: 'pods' } };
const away: ApiResponse = {
  type: 'raw',
  status: 503,
  contentType: 'text/plain',
  body: 'service unavailable\n',
};
const unknown = () => Promise.reject(new StatusError(404, 'NotFound', 'no such metric'));

const context = sparse<RequestContext>({});

for (const [what, theirs, forPods, expected] of [
  ['an adapter knows the metric', streamed(200, 'theirs'), async () => ours, 'theirs'],
  ['an adapter does not know it, but pods expose it', streamed(404, 'none'), async () => ours, ours],
  ['nobody knows it', streamed(404, 'none'), unknown, 'none'],
  ['an adapter does not know what is no metric', streamed(404, 'none'), () => undefined, 'none'],
  ['an adapter fails', streamed(500, 'broken'), async () => ours, 'broken'],
  ['an adapter is away', away, async () => ours, away],
] as const)
  test(`${what}: ${typeof expected === 'string' ? 'its answer stands' : expected.status}`, async () => {
    const answer = await besideAdapters(async () => theirs, forPods)(context);
    assert.ok(answer);
    if (typeof expected !== 'string') assert.equal(answer, expected);
    else assert.equal(answer.type === 'stream' && (await answer.body.toArray()).join(''), expected);
    if (theirs !== answer && theirs.type === 'stream') assert.ok(theirs.body.destroyed);
  });

test('without an adapter nothing is answered here', () => {
  assert.equal(
    besideAdapters(
      () => undefined,
      async () => ours,
    )(context),
    undefined,
  );
});

test('what goes wrong with the metrics of pods is not the adapter’s answer', async () => {
  const broken = () => Promise.reject(new Error('broken'));
  await assert.rejects(async () => besideAdapters(() => streamed(404, ''), broken)(context), /broken/);
});
