/** Connections for callers that cannot wait forever; the code that makes them need not handle signals. */
import type { Duplex } from 'node:stream';

/** The connection, unless the signal aborts first; one that is made later is closed. @throws the signal's reason */
export function connectInTime(connecting: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason);
      connecting.then(
        (socket) => socket.destroy(),
        () => undefined, // The caller has the reason why it did not wait.
      );
    };
    if (signal.aborted) return giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    connecting.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
