/** Several API servers of one cluster behind one transport: the one that answered last is used until it fails. */
import type { HttpTransport } from '../../client/transport/http-transport.ts';
import { type Transport, TransportError } from '../../client/transport/transport.ts';

export interface FailoverTransport extends Transport {
  /** Uses these servers from now on; watches on servers no longer among them continue until they end. */
  follow(servers: readonly string[]): void;
  /** Opens new connections, as after a change of certificates; requests under way end on the old ones. */
  renew(): void;
}

/** `connect` makes the transport to one server. */
export function failoverTransport(
  servers: readonly string[],
  connect: (server: string) => HttpTransport,
): FailoverTransport {
  let transports = new Map(servers.map((server) => [server, connect(server)]));
  let current = servers[0]!;
  const after = (server: string) => {
    const names = [...transports.keys()];
    return names[(names.indexOf(server) + 1) % names.length]!;
  };
  return {
    async send(request) {
      const tried = new Set<string>();
      for (;;) {
        const asked = current;
        tried.add(asked);
        try {
          return await transports.get(asked)!.send(request);
        } catch (error) {
          if (!(error instanceof TransportError)) throw error;
          // Other requests may have switched meanwhile; a failure on a server that is no longer current does not switch
          // again.
          if (current === asked) current = after(asked);
          // What is written may have been done although no answer came: the caller decides whether to ask again.
          if (request.method !== 'GET' || tried.has(current)) throw error;
        }
      }
    },
    follow(wanted) {
      const next = new Map(wanted.map((server) => [server, transports.get(server) ?? connect(server)]));
      for (const [server, transport] of transports) if (!next.has(server)) transport.retire();
      transports = next;
      if (!next.has(current)) current = wanted[0]!;
    },
    renew() {
      for (const [server, old] of transports) {
        transports.set(server, connect(server));
        old.retire();
      }
    },
    close() {
      for (const transport of transports.values()) transport.close();
    },
  };
}
