import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { ResourceCache } from './resource-cache.ts';
import type { Selection, WatchedEvent } from './selection.ts';
import { WatchGroup, type WatchSink } from './watch-group.ts';

/** Keeps what it is delivered; `encode` may fail as real ones may. */
class KeepingSink implements WatchSink {
  readonly wantsBookmarks = false;
  readonly isRemote: boolean = false;
  readonly format: string;
  readonly keys: string[] = [];
  ended: unknown = 'open';
  readonly #canShow: (key: string) => boolean;

  constructor(format: string, canShow: (key: string) => boolean = () => true) {
    this.format = format;
    this.#canShow = canShow;
  }

  encode(events: readonly WatchedEvent[]): string[] {
    return events.map(({ object: { key } }) => {
      if (this.#canShow(key)) return key;
      throw new Error(`${key} cannot be shown`);
    });
  }
  encodeBookmark = () => [];
  deliver(encoded: string[]): void {
    if (this.ended === 'open') this.keys.push(...encoded);
  }
  drained = () => Promise.resolve();
  end(error?: unknown): void {
    this.ended = error;
  }
}

/** Writes at the end of the turn, as Node's responses do, which takes a while. */
class WritingSink extends KeepingSink {
  override readonly isRemote = true;
  readonly #clock: VirtualClock;
  readonly #writeMs: number;

  constructor(clock: VirtualClock, writeMs: number) {
    super('remote');
    this.#clock = clock;
    this.#writeMs = writeMs;
  }

  override deliver(encoded: string[]): void {
    super.deliver(encoded);
    process.nextTick(() => this.#clock.stall(this.#writeMs));
  }
}

const everything: Selection = { id: 'all', keyPrefix: '', matches: undefined };

function startGroup(selection: Selection) {
  const cache = new ResourceCache('/registry/configmaps/', 1);
  const clock = new VirtualClock();
  const group = new WatchGroup({ cache, selection, clock, revision: () => 1, onEmpty: () => undefined });
  let revision = 1;
  const put = (key: string) =>
    cache.notify([cache.apply('put', key, ++revision, Buffer.from('{"metadata":{}}'))]);
  return { cache, clock, group, put };
}

test('a watcher that cannot show an event ends with the error, and the others get it', () => {
  const { group, put } = startGroup(everything);
  const [before, failing, after] = [
    new KeepingSink('a'),
    new KeepingSink('b', (key) => key !== 'default/odd'),
    new KeepingSink('c'),
  ];
  for (const sink of [before, failing, after]) group.join(sink);
  for (const key of ['default/x', 'default/odd', 'default/y']) put(key);
  assert.deepEqual(before.keys, ['default/x', 'default/odd', 'default/y']);
  assert.deepEqual(after.keys, before.keys);
  assert.deepEqual(failing.keys, ['default/x']);
  assert.match(String(failing.ended), /default\/odd cannot be shown/);
});

test('watches whose selection cannot be decided end with the error, and other groups go on', () => {
  const failing = new KeepingSink('a');
  const { cache, group, put } = startGroup({
    ...everything,
    matches: () => {
      throw new Error('undecidable');
    },
  });
  group.join(failing);
  const other = new KeepingSink('b');
  new WatchGroup({
    cache,
    selection: everything,
    clock: new VirtualClock(),
    revision: () => 1,
    onEmpty: () => undefined,
  }).join(other);
  put('default/x');
  assert.match(String(failing.ended), /undecidable/);
  assert.deepEqual(other.keys, ['default/x']);
});

test('after a round that took long to write, changes are gathered for the next one', async () => {
  const { clock, group, put } = startGroup(everything);
  const sink = new WritingSink(clock, 4);
  group.join(sink);
  put('default/a');
  await turn();
  assert.deepEqual(sink.keys, ['default/a']);
  put('default/b');
  await turn();
  await clock.advance(19);
  put('default/c');
  await turn();
  assert.deepEqual(sink.keys, ['default/a']);
  await clock.advance(1);
  assert.deepEqual(sink.keys, ['default/a', 'default/b', 'default/c']);
});
