/** The server side of a driver of claimed devices, for tests, which decide what it answers. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, status } from '@grpc/grpc-js';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
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
  /** The name under which it registers the service; the first one when absent. */
  service?: string;
  /** A thrown error becomes the error of the answer. */
  prepare(claims: ClaimMessage[]): PrepareAnswer | Promise<PrepareAnswer>;
  unprepare(claims: ClaimMessage[]): UnprepareAnswer | Promise<UnprepareAnswer>;
  /** Called once for each kubelet that watches. */
  watched?(tell: (devices: DeviceHealthMessage[]) => void): void;
}

const watching = {
  path: `/${healthService}/NodeWatchResources`,
  request: 'NodeWatchResourcesRequest',
  answer: 'NodeWatchResourcesResponse',
  streamsAnswers: true,
};

type Reply = (error: object | null, answer?: object) => void;

/** Resolves when the socket exists. */
export async function serveDriver(socket: string, driver: FakeDriver): Promise<{ stop(): void }> {
  const { service = 'v1.DRAPlugin' } = driver;
  const prefix = driverServices[service]!;
  const server = new Server();
  const method = (name: string) => ({
    path: `/${prefix}/${name}`,
    request: `${name}Request`,
    answer: `${name}Response`,
  });
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
      NodePrepareResources: methodDefinition(driverCodec, method('NodePrepareResources')),
      NodeUnprepareResources: methodDefinition(driverCodec, method('NodeUnprepareResources')),
    },
    {
      NodePrepareResources: answering(driver.prepare),
      NodeUnprepareResources: answering(driver.unprepare),
    } as never,
  );
  const { watched } = driver;
  if (watched) {
    server.addService({ NodeWatchResources: methodDefinition(driverCodec, watching) }, {
      NodeWatchResources: (call: { write(message: object): void }) =>
        watched((devices) => call.write({ devices })),
    } as never);
  }
  mkdirSync(dirname(socket), { recursive: true });
  await listenOnSocket(server, socket);
  return {
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}
