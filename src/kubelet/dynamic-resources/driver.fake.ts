/** The server's side of a driver of claimed devices, for tests: what it answers is the test's. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  type ClaimMessage,
  type DeviceHealthMessage,
  driverCodec,
  driverServices,
  healthService,
  type PrepareAnswer,
  type UnprepareAnswer,
} from './driver-messages.ts';

export interface FakeDriver {
  /** As it registers them; the first one when absent. */
  service?: string;
  /** What is thrown is the answer's error. */
  prepare(claims: ClaimMessage[]): PrepareAnswer | Promise<PrepareAnswer>;
  unprepare(claims: ClaimMessage[]): UnprepareAnswer | Promise<UnprepareAnswer>;
  /** Called once for each kubelet that watches. */
  watched?(tell: (devices: DeviceHealthMessage[]) => void): void;
}

type Reply = (error: object | null, answer?: object) => void;

/** Resolves when the socket is there. */
export async function serveDriver(socket: string, driver: FakeDriver): Promise<{ stop(): void }> {
  const { service = 'v1.DRAPlugin' } = driver;
  const prefix = driverServices[service]!;
  const server = new Server();
  const method = (path: string, request: string, answer: string, responseStream = false) => ({
    path,
    requestStream: false as const,
    responseStream,
    requestSerialize: driverCodec<object>(request).serialize,
    requestDeserialize: driverCodec<object>(request).deserialize,
    responseSerialize: driverCodec<object>(answer).serialize,
    responseDeserialize: driverCodec<object>(answer).deserialize,
  });
  const unary = (name: string) => method(`/${prefix}/${name}`, `${name}Request`, `${name}Response`);
  const answering =
    (answer: (claims: ClaimMessage[]) => object | Promise<object>) =>
    async (call: { request: { claims: ClaimMessage[] } }, reply: Reply) => {
      try {
        reply(null, { claims: await answer(call.request.claims) });
      } catch (error) {
        reply({ code: status.INTERNAL, details: (error as Error).message });
      }
    };
  server.addService(
    {
      NodePrepareResources: unary('NodePrepareResources'),
      NodeUnprepareResources: unary('NodeUnprepareResources'),
    } as never,
    {
      NodePrepareResources: answering(driver.prepare),
      NodeUnprepareResources: answering(driver.unprepare),
    } as never,
  );
  const { watched } = driver;
  if (watched) {
    const [name, request, answer] = [
      'NodeWatchResources',
      'NodeWatchResourcesRequest',
      'NodeWatchResourcesResponse',
    ];
    server.addService(
      { [name]: method(`/${healthService}/${name}`, request, answer, true) } as never,
      {
        [name]: (call: { write(message: object): void }) => watched((devices) => call.write({ devices })),
      } as never,
    );
  }
  mkdirSync(dirname(socket), { recursive: true });
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  return {
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}
