import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { APIService } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { UnreachableError } from '../outgoing/unreachable.ts';
import type { RequestContext } from '../request.ts';
import { forward } from './backend.ts';

const service = sparse<APIService>({ spec: { service: { namespace: 'shop', name: 'flunders' } } });

test('a server that cannot be dialled is reported as plain text, to requests and upgrades alike', async () => {
  for (const upgrade of [undefined, { protocol: 'spdy/3.1' }]) {
    const { signal } = new AbortController();
    const context = sparse<RequestContext>({ request: { method: 'GET', signal, upgrade } });
    const dialService = async () => {
      throw new UnreachableError('dial tcp 10.0.0.1:443: connect: connection refused');
    };
    assert.deepEqual(await forward(service, context, { dialService, frontProxy: undefined }), {
      type: 'raw',
      status: 503,
      contentType: 'text/plain; charset=utf-8',
      headers: { 'x-content-type-options': 'nosniff' },
      body: 'dial tcp 10.0.0.1:443: connect: connection refused\n',
    });
  }
});
