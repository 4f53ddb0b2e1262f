/** The body of a request over the network: received whole before it is the request's turn, or passed on as it comes. */
import { Readable } from 'node:stream';
import { badRequest, tooLarge } from '../../../api/status.ts';
import type { BodyShare } from './body-budget.ts';

/** The first space for a body that comes in pieces. */
const spaceBytesMin = 4 * 1024;

/** `begun`: it is longer than allowed, and its rest is still to come. `broken`: the client has left. */
type Outcome = 'whole' | 'begun' | 'broken';

export class RequestBody {
  readonly #source: Readable;
  readonly #declaredBytes: number | undefined;
  #received: { outcome: Outcome; bytes: Uint8Array } | undefined;

  /** `declaredBytes`: its length, where the client says so. */
  constructor(source: Readable, declaredBytes: number | undefined) {
    this.#source = source;
    this.#declaredBytes = declaredBytes;
  }

  /**
   * True once it is there, or will never be, being too long or broken off: {@link read} says so then. False when the
   * share that pays for it was closed before.
   */
  async receive(limitBytes: number, share?: BodyShare): Promise<boolean> {
    if (this.#received || (this.#declaredBytes ?? 0) > limitBytes) return true;
    const kept = new KeptBytes(this.#declaredBytes, share);
    const outcome = await gather(this.#source, { kept, limitBytes, share });
    if (outcome === 'share closed') return false;
    this.#received = { outcome, bytes: kept.bytes() };
    return true;
  }

  get receivedBytes(): number {
    return this.#received?.bytes.length ?? 0;
  }

  /** True unless it has been received to its end, or to where the client broke it off. */
  get isComing(): boolean {
    return this.#received === undefined || this.#received.outcome === 'begun';
  }

  /** @throws StatusError 400, 413 */
  async read(limitBytes: number): Promise<Uint8Array> {
    await this.receive(limitBytes);
    const { outcome, bytes } = this.#received ?? {};
    if (outcome === 'broken') throw badRequest('the request body could not be read to its end');
    if (outcome === 'whole' && bytes!.length <= limitBytes) return bytes!;
    this.dropRest();
    throw tooLarge(`limit is ${limitBytes}`);
  }

  /** For whoever passes it on: what was received, and then what is still to come. */
  stream(): Readable {
    const received = this.#received;
    if (!received || received.outcome === 'broken') return this.#source;
    this.#received = undefined;
    const rest = received.outcome === 'begun' ? this.#source : [];
    return Readable.from(continued(received.bytes, rest), { objectMode: false });
  }

  /** Nobody is going to read it: what comes on the connection behind it does not wait for that. */
  dropRest(): void {
    if (this.#received?.outcome === 'begun') this.#source.resume();
  }
}

async function* continued(
  begun: Uint8Array,
  rest: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (begun.length > 0) yield begun;
  yield* rest;
}

interface GatherOptions {
  kept: KeptBytes;
  limitBytes: number;
  share: BodyShare | undefined;
}

/** Until its end, its limit, or the end of the share. What comes behind the limit stays in the source. */
function gather(
  source: Readable,
  { kept, limitBytes, share }: GatherOptions,
): Promise<Outcome | 'share closed'> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome | 'share closed') => {
      source.off('data', take).off('end', end).off('error', broken).off('close', broken);
      if (share) share.onClose = undefined;
      if (outcome === 'begun') source.pause();
      else if (outcome === 'share closed') source.resume();
      resolve(outcome);
    };
    const take = (chunk: Uint8Array) => {
      kept.add(chunk);
      if (kept.length > limitBytes && (share?.isOpen ?? true)) settle('begun');
    };
    const end = () => settle('whole');
    const broken = () => settle('broken');
    // For instance when a client left while it was being authenticated: no event follows.
    if (source.destroyed) return resolve('broken');
    source.on('data', take).once('end', end).once('error', broken).once('close', broken);
    if (share) share.onClose = () => settle('share closed');
  });
}

/**
 * Bytes in a space of their own: a piece that comes in is a part of all that its connection has brought at a time, and a
 * small one would keep all of that in memory.
 */
class KeptBytes {
  length = 0;
  readonly #declaredBytes: number | undefined;
  readonly #share: BodyShare | undefined;
  #space = new Uint8Array();

  constructor(declaredBytes: number | undefined, share: BodyShare | undefined) {
    this.#declaredBytes = declaredBytes;
    this.#share = share;
  }

  add(piece: Uint8Array): void {
    const length = this.length + piece.length;
    if (length > this.#space.length) this.#widen(length);
    this.#space.set(piece, this.length);
    this.length = length;
  }

  bytes(): Uint8Array {
    return this.#space.subarray(0, this.length);
  }

  #widen(length: number): void {
    const doubled = Math.max(spaceBytesMin, this.#space.length * 2);
    const wider = new Uint8Array(Math.max(length, Math.min(doubled, this.#declaredBytes ?? doubled)));
    this.#share?.grow(wider.length - this.#space.length);
    wider.set(this.bytes());
    this.#space = wider;
  }
}
