/** Two connections that are made one: what either says goes to the other. */
import type { Duplex } from 'node:stream';

/** How long a side that does not take what it was sent keeps the other's last words. */
const lingerMs = 30_000;

/**
 * Half-closes travel through; an error on one side ends the other at once. One that is closed in good order ends the other
 * too, which first gets what is still on its way: of a command that ran, that is how it ended.
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
  // A connection that closed before this moment emits no event any more.
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
