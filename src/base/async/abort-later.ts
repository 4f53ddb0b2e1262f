/** Passes an abort on after a while: what is nearly done may still end by itself. */
import type { Clock, Timer } from '../clock.ts';

export interface LaterAbort {
  signal: AbortSignal;
  /** The work has ended: aborts are no longer passed on. */
  close(): void;
}

export function abortLater(clock: Pick<Clock, 'after'>, signal: AbortSignal, delayMs: number): LaterAbort {
  const later = new AbortController();
  let timer: Timer | undefined;
  const passOn = () => {
    timer = clock.after(delayMs, () => later.abort(signal.reason));
  };
  if (signal.aborted) passOn();
  else signal.addEventListener('abort', passOn, { once: true });
  return {
    signal: later.signal,
    close() {
      signal.removeEventListener('abort', passOn);
      timer?.cancel();
    },
  };
}
