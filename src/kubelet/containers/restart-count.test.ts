import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodStatus } from '../../api/types/core-v1.gen.ts';
import { nextRestartCount } from './restart-count.ts';

const statusOf = (restartCount: number, containerID?: string): PodStatus =>
  ({ containerStatuses: [{ name: 'c', restartCount, ...(containerID && { containerID }) }] }) as PodStatus;

const cases: [string, { restartCount: number } | undefined, PodStatus, number][] = [
  ['the first start is number 0', undefined, {}, 0],
  ['the runtime knows best', { restartCount: 4 }, statusOf(9, 'containerd://x'), 5],
  ['what the runtime has forgotten counts on', undefined, statusOf(2, 'containerd://x'), 3],
  ['a container that was reported and never ran starts with number 0', undefined, statusOf(0), 0],
];

for (const [name, last, known, expected] of cases)
  test(name, () => assert.equal(nextRestartCount('c', last, known), expected));
