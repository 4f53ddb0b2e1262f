import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { StoreUnavailableError } from '../store.ts';
import { EtcdApi } from './etcd-api.ts';

/** A member that answers every range with an empty message, or with an error. */
async function startMember(
  error: { code: status; details: string } | null = null,
): Promise<{ url: string; stop(): void }> {
  const server = new Server();
  const asItIs = (bytes: Buffer) => bytes;
  const range = {
    path: '/etcdserverpb.KV/Range',
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
  server.addService(
    { range },
    { range: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(error, Buffer.alloc(0)) },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { url: `http://127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

async function unusedUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return `http://127.0.0.1:${port}`;
}

test('reads that fail at the same time all find the endpoint that serves', async () => {
  const member = await startMember();
  const api = new EtcdApi({ endpoints: [await unusedUrl(), member.url] });
  const answers = await Promise.all(Array.from({ length: 4 }, () => api.range({ key: Buffer.from('a') })));
  assert.deepEqual(
    answers.map(({ kvs }) => kvs),
    [[], [], [], []],
  );
  api.close();
  member.stop();
});

test('a member whose time is up is one that cannot serve', async () => {
  const member = await startMember({ code: status.UNKNOWN, details: 'context deadline exceeded' });
  const api = new EtcdApi({ endpoints: [member.url] });
  await assert.rejects(api.range({ key: Buffer.from('a') }), StoreUnavailableError);
  api.close();
  member.stop();
});
