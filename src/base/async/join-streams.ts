/** Two connections that are made one: what either says goes to the other. */
import type { Duplex } from 'node:stream';

/** How long a side that does not read may delay the end of the other's output. */
const lingerMs = 30_000;

/**
 * Half-closes are passed on; an error on one side ends the other at once. A side that is closed regularly ends the
 * other too, which first gets everything that is on its way: this includes the exit of a command.
 */
export function joinStreams(a: Duplex, b: Duplex): void {
  a.pipe(b);
  b.pipe(a);
  const end = () => {
    a.destroy();
    b.destroy();
  };
  a.on('error', end);
  b.on('error', end);
  a.on('close', () => endAfterLastWords(b));
  b.on('close', () => endAfterLastWords(a));
  // A connection that closed earlier emits no further event.
  if (a.destroyed || b.destroyed) end();
}

function endAfterLastWords(stream: Duplex): void {
  if (stream.destroyed) return;
  if (stream.writableFinished) {
    stream.destroy();
    return;
  }
  const timer = setTimeout(() => stream.destroy(), lingerMs);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
  stream.once('finish', () => stream.destroy());
  stream.end();
}
