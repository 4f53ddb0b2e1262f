import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { networkDialer } from './network-dialer.ts';

const { root } = protobuf.parse(
  'syntax = "proto3"; message Asked { string service = 1; } message Answer { int32 status = 1; }',
);

/** A server that answers health checks by the service's name; without checks it knows none. */
async function serve({
  checks,
}: {
  checks: boolean;
}): Promise<{ port: number; server: Server; agents: string[] }> {
  const server = new Server();
  const agents: string[] = [];
  const asked = root.lookupType('Asked');
  const answerType = root.lookupType('Answer');
  type Reply = (error: Partial<ServiceError> | null, value?: object) => void;
  const check = (
    { request, metadata }: { request: { service: string }; metadata: { get(name: string): unknown[] } },
    reply: Reply,
  ) => {
    agents.push(String(metadata.get('user-agent')[0]));
    if (request.service === 'broken') reply({ code: status.RESOURCE_EXHAUSTED, details: 'no more' });
    else if (request.service !== 'slow') reply(null, { status: request.service === 'down' ? 2 : 1 });
  };
  if (checks)
    server.addService(
      {
        Check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: (value: object) => Buffer.from(asked.encode(value).finish()),
          requestDeserialize: (bytes: Buffer) => asked.toObject(asked.decode(bytes), { defaults: true }),
          responseSerialize: (value: object) => Buffer.from(answerType.encode(value).finish()),
          responseDeserialize: (bytes: Buffer) => answerType.toObject(answerType.decode(bytes)),
        },
      },
      { Check: check } as never,
    );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { port, server, agents };
}

test('a gRPC probe tells in upstream’s words what it found', async (t) => {
  const { port, server, agents } = await serve({ checks: true });
  const without = await serve({ checks: false });
  t.after(() => {
    server.forceShutdown();
    without.server.forceShutdown();
  });
  const ask = (service: string, timeoutMs = 5000, at = port) =>
    networkDialer.grpc({ host: '127.0.0.1', port: at, service, timeoutMs }, 'c');
  assert.equal(await ask(''), undefined);
  assert.match(agents[0]!, /^kube-probe\/1\.36/);
  assert.equal(await ask('down'), 'service unhealthy (responded with "NOT_SERVING")');
  assert.equal(
    await ask('broken'),
    'error: health rpc probe failed: rpc error: code = ResourceExhausted desc = no more',
  );
  assert.equal(await ask('slow', 1000), 'timeout: health rpc did not complete within 1s');
  assert.match(
    (await ask('', 5000, without.port))!,
    /^error: this server does not implement the grpc health protocol \(grpc\.health\.v1\.Health\): /,
  );
});
