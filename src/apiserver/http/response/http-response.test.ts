import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import { Http2Response } from './http-response.ts';

test('a stream that its client has closed is sent nothing, though it is not destroyed yet', () => {
  const stream = sparse<ServerHttp2Stream>({
    destroyed: false,
    closed: true,
    headersSent: false,
    respond() {
      // As Node does.
      throw new Error('The stream has been destroyed');
    },
  });
  const response = new Http2Response(stream);
  assert.equal(response.isClosed, true);
  response.send(200, {}, 'too late');
});
