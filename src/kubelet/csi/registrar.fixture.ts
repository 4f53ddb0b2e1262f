/** The socket by which a plugin for tests registers at the kubelet of its node. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { codec, type PluginInfo } from './messages.ts';

type Reply = (error: null, answer: object) => void;
interface RegistrationStatus {
  pluginRegistered: boolean;
  error: string;
}

/** `told`: whenever the kubelet says what became of it. */
export async function serveRegistrar(
  socket: string,
  plugin: PluginInfo,
  told: (status: RegistrationStatus) => void,
): Promise<{ stop(): void }> {
  const method = (name: string, request: string, answer: string) => ({
    path: `/pluginregistration.Registration/${name}`,
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: codec<object>(request).serialize,
    requestDeserialize: codec<object>(request).deserialize,
    responseSerialize: codec<object>(answer).serialize,
    responseDeserialize: codec<object>(answer).deserialize,
  });
  const server = new Server();
  server.addService(
    {
      GetInfo: method('GetInfo', 'InfoRequest', 'PluginInfo'),
      NotifyRegistrationStatus: method(
        'NotifyRegistrationStatus',
        'RegistrationStatus',
        'RegistrationStatusResponse',
      ),
    } as never,
    {
      GetInfo: (_: object, reply: Reply) => reply(null, plugin),
      NotifyRegistrationStatus: ({ request }: { request: RegistrationStatus }, reply: Reply) => {
        told(request);
        reply(null, {});
      },
    } as never,
  );
  mkdirSync(dirname(socket), { recursive: true });
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}
