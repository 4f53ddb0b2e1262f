/** The socket by which a plugin in tests registers with the kubelet of its node. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
import { codec, type PluginInfo } from './messages.ts';

type Reply = (error: null, answer: object) => void;
interface RegistrationStatus {
  pluginRegistered: boolean;
  error: string;
}

/** `registered`: called whenever the kubelet reports the outcome. */
export async function serveRegistrar(
  socket: string,
  plugin: PluginInfo,
  registered: (status: RegistrationStatus) => void,
): Promise<{ stop(): void }> {
  const method = (name: string, request: string, answer: string) =>
    methodDefinition(codec, { path: `/pluginregistration.Registration/${name}`, request, answer });
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
        registered(request);
        reply(null, {});
      },
    } as never,
  );
  mkdirSync(dirname(socket), { recursive: true });
  await listenOnSocket(server, socket);
  return {
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}
