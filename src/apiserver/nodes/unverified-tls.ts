/** TLS on an existing connection to a pod or an endpoint, whose certificate nobody in the cluster can verify. */
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { serviceUnavailable } from '../../api/status.ts';

/** @throws StatusError 503 when there is no handshake in time; the connection is closed then */
export function unverifiedTls(socket: Duplex, handshakeTimeoutMs: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    const fail = (error: Error) => {
      secure.destroy();
      socket.destroy();
      reject(serviceUnavailable(`error trying to reach service: ${error.message}`, { cause: error }));
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
