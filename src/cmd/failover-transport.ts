/** Several API servers of one cluster behind one transport: the one that answered last is asked until it does not. */
import { type Transport, TransportError } from '../client/transport.ts';

export function failoverTransport(transports: readonly Transport[]): Transport {
  let current = 0;
  return {
    async send(request) {
      for (let attempt = 1; ; attempt++) {
        const asked = current;
        try {
          return await transports[asked]!.send(request);
        } catch (error) {
          if (!(error instanceof TransportError) || attempt >= transports.length) throw error;
          // Others may have moved on meanwhile; whoever fails on a server that is no longer current stays with theirs.
          if (current === asked) current = (asked + 1) % transports.length;
          // What is written may have been done although no answer came: the caller decides whether to ask again.
          if (request.method !== 'GET') throw error;
        }
      }
    },
    close() {
      for (const transport of transports) transport.close();
    },
  };
}
