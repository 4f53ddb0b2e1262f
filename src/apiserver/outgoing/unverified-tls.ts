/** TLS on an existing connection to a pod or an endpoint, whose certificate nobody in the cluster can verify. */
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { UnreachableError } from './unreachable.ts';

/** @throws StatusError 503 when there is no handshake in time; the connection is closed then */
export function unverifiedTls(socket: Duplex, handshakeTimeoutMs: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    const fail = (error: NodeJS.ErrnoException) => {
      secure.destroy();
      socket.destroy();
      reject(new UnreachableError(reasonOf(error), { cause: error }));
    };
    const timeout = () => fail(new Error('net/http: TLS handshake timeout'));
    secure.setTimeout(handshakeTimeoutMs, timeout);
    secure.once('error', fail);
    secure.once('secureConnect', () => {
      secure.setTimeout(0, timeout);
      resolve(secure);
    });
  });
}

/** In the words of Go's libraries, which users of Kubernetes know. */
function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'tls: first record does not look like a TLS handshake';
  return code === 'ECONNRESET' ? 'EOF' : message;
}
