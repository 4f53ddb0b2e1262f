import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { SeatDemand } from './demand.ts';
import { formatQueues, formatRequests } from './dump.ts';
import { type Admission, PriorityLevel } from './priority-level.ts';
import { SeatPool } from './seats.ts';

const never = new AbortController();

function admissionOf(name: string, seats = 1): Admission {
  const path = `/api/v1/namespaces/n/pods/${name}`;
  return {
    seats,
    schema: 'people',
    distinguisher: name,
    user: { name },
    info: {
      ...{ verb: 'get', isResource: true, path, group: '', version: 'v1', resource: 'pods' },
      ...{ namespace: 'n', name, subresource: '', rest: '' },
    },
    arrivedMs: Date.UTC(2026, 0, 1, 0, 0, 0, 250),
  };
}

/** One seat, one queue: the first request executes, the others wait; an exempt one executes in addition. */
function busyLevel(): PriorityLevel {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1, 0, 0, 1));
  const level = new PriorityLevel('workload', {
    pool: new SeatPool(10),
    clock,
    demand: new SeatDemand(clock, undefined),
  });
  const queuing = { queues: 1, handSize: 1, queueLengthLimit: 5 };
  level.configure({ limitResponse: { type: 'Queue', queuing } }, { nominal: 1, lower: 1, upper: 1 });
  for (const [name, seats] of [
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ] as const)
    void level.enter({ flow: name, admission: admissionOf(name, seats), client: never, waitMs: 15_000 });
  level.enterExempt(admissionOf('root', 0));
  return level;
}

test('there is a line for each queue, with its waiting and executing requests', () => {
  assert.equal(
    formatQueues([busyLevel()]),
    [
      'PriorityLevelName, Index,  PendingRequests, ExecutingRequests, SeatsInUse, NextDispatchR, InitialSeatsSum, MaxSeatsSum, TotalWorkSum',
      'workload,          0,      2,               1,                 1,          0.00000000ss,  3,               3,           0.00900000ss',
      '',
    ].join('\n'),
  );
});

test('there is a line for each request, with its queue and arrival, and its details on demand', () => {
  const level = busyLevel();
  const [head, ...rows] = formatRequests([level], { details: false }).trimEnd().split('\n');
  assert.match(
    head!,
    /^PriorityLevelName, FlowSchemaName, QueueIndex, RequestIndexInQueue, FlowDistingsher, /,
  );
  assert.deepEqual(
    rows.map((row) => row.split(/, +/)),
    [
      ['b', '0', '0', '1', '0001-01-01T00:00:00Z'],
      ['c', '0', '1', '2', '0001-01-01T00:00:00Z'],
      ['a', '0', '-1', '1', '2026-01-01T00:00:01Z'],
      ['root', '-1', '-1', '1', '2026-01-01T00:00:01Z'],
    ].map(
      ([name, queue, position, seats, started]) =>
        [
          ...['workload', 'people', queue, position, name, '2026-01-01T00:00:00.25Z'],
          ...[seats, '0', '0s', started],
        ] as string[],
    ),
  );
  const detailed = formatRequests([level], { details: true }).split('\n');
  assert.match(
    detailed[0]!,
    / UserName, Verb, +APIPath, +Namespace, Name, +APIVersion, Resource, SubResource$/,
  );
  assert.match(detailed[1]!, /, b, +get, +\/api\/v1\/namespaces\/n\/pods\/b, +n, +b, +v1, +pods, +$/);
});
