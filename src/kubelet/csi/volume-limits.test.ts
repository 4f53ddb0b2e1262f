import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CSIDriver } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Informer, InformerHandlers } from '../../client/informers/informer.ts';
import { VolumeLimits } from './volume-limits.ts';

/** CSIDriver objects, and when each driver was asked. */
class World {
  readonly clock = new VirtualClock();
  readonly asked: string[] = [];
  failure: Error | undefined;
  followers = 0;
  readonly #objects = new Map<string, CSIDriver>();
  #handlers: InformerHandlers<CSIDriver> = {};
  readonly #informer = sparse<Informer<CSIDriver>>({
    get: (name: string) => this.#objects.get(name),
    handle: (handlers: InformerHandlers<CSIDriver>) => {
      this.#handlers = handlers;
      for (const object of this.#objects.values()) handlers.added?.(object);
    },
  });
  readonly limits = new VolumeLimits({
    clock: this.clock,
    logger: silentLogger,
    driverObjects: () => {
      this.followers++;
      return this.#informer;
    },
    refresh: async (name) => {
      this.asked.push(name);
      if (this.failure) throw this.failure;
    },
  });

  put(name: string, seconds?: number): void {
    const spec = seconds === undefined ? {} : { nodeAllocatableUpdatePeriodSeconds: seconds };
    const object = sparse<CSIDriver>({ metadata: { name }, spec });
    this.#objects.set(name, object);
    this.#handlers.updated?.(object, object);
  }

  async askedWithin(seconds: number): Promise<number> {
    this.asked.length = 0;
    await this.clock.advance(seconds * 1000);
    return this.asked.length;
  }
}

test('a driver is asked as often as its object says, also when that changes', async () => {
  const world = new World();
  world.put('d', 10);
  assert.equal(world.followers, 0, 'nobody has registered yet');
  world.limits.follow('d');
  assert.equal(await world.askedWithin(60), 6);
  world.put('d', 30);
  assert.equal(await world.askedWithin(60), 2);
  world.put('d');
  assert.equal(await world.askedWithin(60), 0);
  world.put('d', 20);
  assert.equal(await world.askedWithin(60), 3);
  world.limits.forget('d');
  assert.equal(await world.askedWithin(60), 0);
  world.put('d', 10);
  assert.equal(await world.askedWithin(60), 0, 'it has not registered again');
  assert.equal(world.followers, 1);
});

test('an answer that fails is asked for again, and a driver without an object is not asked', async () => {
  const world = new World();
  world.failure = new Error('busy');
  world.put('d', 10);
  world.limits.follow('d');
  world.limits.follow('other');
  assert.equal(await world.askedWithin(30), 3);
  assert.ok(!world.asked.includes('other'));
  world.limits.close();
  assert.equal(await world.askedWithin(30), 0);
});
