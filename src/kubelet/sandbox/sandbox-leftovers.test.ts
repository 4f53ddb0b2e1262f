import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { SandboxTrace } from '../machine.ts';
import { SandboxLeftovers } from './sandbox-leftovers.ts';
import { SandboxStarts } from './sandbox-starts.ts';

const trace = (id: string): SandboxTrace => ({ kind: 'process', id, at: id });

function fixture() {
  const clock = new VirtualClock();
  const starts = new SandboxStarts();
  const there = new Set<string>();
  const listed = new Set<string>();
  const removed: string[] = [];
  const leftovers = new SandboxLeftovers({
    runtime: sparse<ContainerRuntime>({
      listPodSandboxes: async () => [...listed].map((id) => ({ id })),
      listContainers: async () => [],
    }),
    traces: {
      unknown: async (known) => [...there].filter((id) => !known.has(id)).map(trace),
      remove: async ({ id }) => {
        there.delete(id);
        removed.push(id);
      },
    },
    clock,
    logger: createLogger({ clock, write: () => undefined, level: 'error', component: 'test' }),
    makingSinceMs: () => starts.oldestMs(),
  });
  const look = async () => {
    await clock.advance(30_000);
    await leftovers.look();
  };
  return { clock, starts, there, listed, removed, look };
}

test('remains that the runtime does not know at two checks in a row are removed', async () => {
  const { there, listed, removed, look } = fixture();
  there.add('left').add('pod');
  listed.add('pod');
  await look();
  assert.deepEqual(removed, []);
  there.add('new');
  await look();
  assert.deepEqual(removed, ['left']);
  listed.add('new');
  await look();
  assert.deepEqual([...there], ['pod', 'new']);
});

test('while a sandbox is being made since before the last look nothing goes', async () => {
  const { clock, starts, there, listed, removed, look } = fixture();
  const ended = starts.begin(clock.monotonic());
  there.add('slow').add('left');
  await look();
  await look();
  assert.deepEqual(removed, []);
  listed.add('slow');
  ended();
  const other = starts.begin(clock.monotonic());
  await look();
  assert.deepEqual(removed, ['left']);
  other();
  assert.equal(starts.oldestMs(), undefined);
});
