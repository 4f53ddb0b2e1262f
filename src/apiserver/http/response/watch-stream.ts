/** A watch over HTTP: frames of events in the format asked for, written once for all who watch the same. */
import type { Writable } from 'node:stream';
import { internalError, StatusError } from '../../../api/status.ts';
import { drained } from '../../../base/async/drained.ts';
import type { ServedResource } from '../../registry/kind-registry.ts';
import type { WatchedEvent } from '../../watch-cache/selection.ts';
import {
  type BookmarkOptions,
  initialEventsEndAnnotation,
  type WatchSink,
} from '../../watch-cache/watch-group.ts';
import { type EncodeContext, encodeBookmark, encodeEvents, encodeFrame } from './encode.ts';

/** Bytes that may wait for a client that reads slowly; beyond them it is cut off and must list again. */
const watcherBufferBytesMax = 16 * 1024 * 1024;

/** Events of one batch as they go over the wire. */
interface EncodedEvents {
  bytes: Uint8Array;
  /** The number of events in it, without bookmarks. */
  count: number;
}

export class HttpWatchSink implements WatchSink {
  readonly #formatName: string;
  /** Only the first event of a table watch carries the column definitions. */
  #needsColumns: boolean;
  readonly wantsBookmarks: boolean;
  readonly isRemote = true;
  readonly #resource: ServedResource;
  readonly #context: () => EncodeContext;
  readonly #out: Writable;
  readonly #onSlow: () => void;
  readonly #onSent: (count: number, sizeBytes: number) => void;

  constructor(options: {
    resource: ServedResource;
    context: () => EncodeContext;
    out: Writable;
    wantsBookmarks: boolean;
    /** Called once when the client was cut off. */
    onSlow: () => void;
    /** Called with the number of events, and the bytes that they are together. */
    onSent(count: number, sizeBytes: number): void;
  }) {
    this.#resource = options.resource;
    this.#context = options.context;
    this.#out = options.out;
    this.#onSlow = options.onSlow;
    this.#onSent = options.onSent;
    this.wantsBookmarks = options.wantsBookmarks;
    const { format, includeObject } = options.context();
    this.#formatName = [
      options.resource.apiVersion,
      format.media,
      format.as,
      format.asVersion,
      includeObject,
    ].join();
    this.#needsColumns = format.as === 'Table';
  }

  get format(): string {
    return this.#needsColumns ? `${this.#formatName},columns` : this.#formatName;
  }

  encode(events: readonly WatchedEvent[]): EncodedEvents {
    const bytes = encodeEvents(this.#resource, events, this.#context(), { withColumns: this.#needsColumns });
    return { bytes, count: events.length };
  }

  encodeBookmark(revision: number, { initialEventsEnd }: BookmarkOptions = {}): EncodedEvents {
    const annotations = initialEventsEnd ? { [initialEventsEndAnnotation]: 'true' } : undefined;
    const metadata = { resourceVersion: String(revision), ...(annotations && { annotations }) };
    const bytes = encodeBookmark(this.#resource, metadata, this.#context(), {
      withColumns: this.#needsColumns,
    });
    return { bytes, count: 0 };
  }

  deliver({ bytes, count }: EncodedEvents): void {
    if (this.#out.destroyed || this.#out.writableEnded) return;
    this.#out.write(bytes);
    if (count > 0) this.#onSent(count, bytes.length);
    this.#needsColumns = false;
    if (this.#out.writableLength > watcherBufferBytesMax) {
      this.#out.destroy();
      this.#onSlow();
    }
  }

  drained(): Promise<void> {
    return drained(this.#out);
  }

  end(error?: unknown): void {
    if (this.#out.destroyed || this.#out.writableEnded) return;
    if (error !== undefined) {
      const status =
        error instanceof StatusError ? error.status : internalError('the watch broke off').status;
      this.#out.write(encodeFrame('ERROR', status, this.#context()));
    }
    this.#out.end();
  }
}
