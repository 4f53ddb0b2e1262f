import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { parsePath } from '../http/request/path.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import type { RequestContext } from '../request.ts';
import { FlowControl } from './flow-control.ts';
import type { RefusedError } from './priority-level.ts';

const query = new URLSearchParams();
const context = sparse<RequestContext>({
  request: { method: 'GET', query, signal: new AbortController().signal },
  info: parsePath('GET', '/api/v1/pods', query),
  user: { name: 'jane', groups: [] },
  headers: {},
  waited: { ms: 0 },
});

test('a level that was deleted ends with its last request', async () => {
  const objects = new FakeObjects()
    .put(PriorityLevelConfiguration, { metadata: { name: 'own' }, spec: { type: 'Limited', limited: {} } })
    .put(FlowSchema, {
      metadata: { name: 'all' },
      spec: {
        priorityLevelConfiguration: { name: 'own' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: '*' } }],
            resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true }],
          },
        ],
      },
    });
  const clock = new VirtualClock();
  const flowControl = new FlowControl({
    objects,
    clock,
    metrics: new MetricsRegistry(),
    statsOf: () => ({ count: 1, bytes: 1_000 }),
    watchersOf: () => 0,
  });
  const levels = () => {
    const answer = flowControl.dumps.dump_priority_levels!({} as never);
    return answer.type === 'raw'
      ? String(answer.body)
          .match(/^own,.*$/m)?.[0]
          .split(/,\s*/)
      : undefined;
  };
  const work = Promise.withResolvers<void>();
  const running = flowControl.run(
    context,
    { timeoutMs: 60_000, client: context.request },
    () => work.promise,
  );
  objects.remove(PriorityLevelConfiguration, '', 'own');
  assert.deepEqual(levels()?.slice(0, 4), ['own', '0', 'false', 'true'], 'it is quiescing');
  work.resolve();
  await running;
  assert.equal(levels(), undefined);
});

/** All requests go to the level `own`, which has this part of 60 shares of 600 seats. */
function createFlowControl(
  shares: number,
  metrics = new MetricsRegistry(),
  { clock = new VirtualClock(), watchers = 0 } = {},
): FlowControl {
  const level = (name: string, nominalConcurrencyShares: number) => ({
    metadata: { name },
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares,
        borrowingLimitPercent: 0,
        limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
      },
    },
  });
  const rules = [
    {
      subjects: [{ kind: 'User', user: { name: '*' } }],
      resourceRules: [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true },
      ],
    },
  ];
  const objects = new FakeObjects()
    .put(PriorityLevelConfiguration, level('own', shares))
    .put(PriorityLevelConfiguration, level('other', 60 - shares))
    .put(FlowSchema, {
      metadata: { name: 'all' },
      spec: { priorityLevelConfiguration: { name: 'own' }, rules },
    });
  return new FlowControl({
    objects,
    clock,
    metrics,
    statsOf: () => ({ count: 950, bytes: 950_000 }),
    watchersOf: () => watchers,
  });
}

function requestFor(method: string, path: string): RequestContext {
  const [where = '', search] = path.split('?');
  const asked = new URLSearchParams(search);
  return sparse<RequestContext>({
    request: { method, query: asked, signal: new AbortController().signal },
    info: parsePath(method, where, asked),
    user: { name: 'jane', groups: [] },
    headers: {},
    waited: { ms: 0 },
  });
}

test('a request takes seats for the objects that it goes through, and at most a part of those of its level', async () => {
  const rows: [string, { wide: number; narrow: number }][] = [
    ['/api/v1/pods', { wide: 10, narrow: 1 }],
    ['/api/v1/pods?limit=250', { wide: 3, narrow: 1 }],
    ['/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Db', { wide: 1, narrow: 1 }],
    ['/api/v1/namespaces/a/pods/b', { wide: 1, narrow: 1 }],
    ['/api/v1/pods?watch=1', { wide: 10, narrow: 1 }],
    ['/api/v1/pods?watch=1&resourceVersion=0', { wide: 10, narrow: 1 }],
    ['/api/v1/pods?watch=1&resourceVersion=7', { wide: 1, narrow: 1 }],
    ['/api/v1/pods?watch=1&resourceVersion=7&sendInitialEvents=true', { wide: 10, narrow: 1 }],
  ];
  const [wide, narrow] = [createFlowControl(30), createFlowControl(1)];
  const seatsOf = async (flowControl: FlowControl, path: string) => {
    const asking = requestFor('GET', path);
    const shown = await flowControl.run(asking, { timeoutMs: 60_000, client: asking.request }, () =>
      flowControl.dumps.dump_requests!(asking),
    );
    assert.ok(shown.type === 'raw');
    return Number(String(shown.body).split('\n')[1]?.split(/,\s*/)[6]);
  };
  for (const [path, seats] of rows)
    assert.deepEqual({ wide: await seatsOf(wide, path), narrow: await seatsOf(narrow, path) }, seats, path);
});

test('metrics show how many requests of each kind are at work and in queues, and the seats that these want', async () => {
  const metrics = new MetricsRegistry();
  const flowControl = createFlowControl(1, metrics);
  const work = Promise.withResolvers<void>();
  const run = (method: string, path: string) => {
    const asking = requestFor(method, path);
    return flowControl.run(asking, { timeoutMs: 60_000, client: asking.request }, () => work.promise);
  };
  const running = Array.from({ length: 12 }, () => run('GET', '/api/v1/pods'));
  running.push(run('POST', '/api/v1/namespaces/a/pods'));
  // Those that need not wait begin once nothing else is to be done.
  await new Promise(setImmediate);
  const values = metrics
    .expose()
    .split('\n')
    .filter((line) => /^apiserver_(current_in|flowcontrol_current_inqueue_seats)/.test(line));
  assert.deepEqual(values.sort(), [
    'apiserver_current_inflight_requests{request_kind="mutating"} 0',
    'apiserver_current_inflight_requests{request_kind="readOnly"} 10',
    'apiserver_current_inqueue_requests{request_kind="mutating"} 1',
    'apiserver_current_inqueue_requests{request_kind="readOnly"} 2',
    'apiserver_flowcontrol_current_inqueue_seats{flow_schema="all",priority_level="own"} 3',
  ]);
  work.resolve();
  await Promise.all(running);
});

test('clients of a level that refuses again and again are told to wait longer', async () => {
  const level = { type: 'Limited', limited: { nominalConcurrencyShares: 1, borrowingLimitPercent: 0 } };
  const rules = [
    {
      subjects: [{ kind: 'User', user: { name: '*' } }],
      resourceRules: [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true },
      ],
    },
  ];
  const objects = new FakeObjects()
    .put(PriorityLevelConfiguration, { metadata: { name: 'own' }, spec: level })
    .put(FlowSchema, {
      metadata: { name: 'all' },
      spec: { priorityLevelConfiguration: { name: 'own' }, rules },
    });
  const clock = new VirtualClock();
  const flowControl = new FlowControl({
    objects,
    clock,
    metrics: new MetricsRegistry(),
    seats: 1,
    statsOf: () => undefined,
    watchersOf: () => 0,
  });
  const work = Promise.withResolvers<void>();
  const run = () => {
    const asking = requestFor('GET', '/api/v1/namespaces/a/pods/b');
    return flowControl.run(asking, { timeoutMs: 60_000, client: asking.request }, () => work.promise);
  };
  const running = run();
  const told: number[] = [];
  for (let second = 0; second < 4; second++) {
    for (let refused = 0; refused < 10; refused++)
      await run().catch((error: RefusedError) => told.push(error.retryAfterSeconds));
    await clock.advance(1_000);
  }
  assert.deepEqual(told, [...Array(10).fill(1), ...Array(20).fill(2), ...Array(10).fill(4)]);
  work.resolve();
  await running;
});

test('a write keeps seats for a while after its end when many watchers are told of it', async () => {
  const metrics = new MetricsRegistry();
  const clock = new VirtualClock();
  const flowControl = createFlowControl(30, metrics, { clock, watchers: 25 });
  const asking = requestFor('PATCH', '/api/v1/namespaces/a/pods/b');
  const seatsTaken = () =>
    /^apiserver_flowcontrol_current_executing_seats\{.*\} (\d+)$/m.exec(metrics.expose())?.[1];
  const shown = await flowControl.run(asking, { timeoutMs: 60_000, client: asking.request }, () => {
    assert.equal(seatsTaken(), '3');
    return flowControl.dumps.dump_requests!(asking);
  });
  assert.ok(shown.type === 'raw');
  assert.deepEqual(String(shown.body).split('\n')[1]?.split(/,\s*/).slice(6, 9), ['1', '3', '5ms']);
  assert.equal(seatsTaken(), '3');
  await clock.advance(5);
  assert.equal(seatsTaken(), '0');
  assert.match(metrics.expose(), /^apiserver_flowcontrol_watch_count_samples_sum\{.*\} 25$/m);
});

test("each level's limits, demand and share are shown, from the last ten seconds", async () => {
  const metrics = new MetricsRegistry();
  const clock = new VirtualClock();
  const flowControl = createFlowControl(10, metrics, { clock });
  const work = Promise.withResolvers<void>();
  const asking = requestFor('GET', '/api/v1/namespaces/a/pods/b');
  const running = Array.from({ length: 40 }, () =>
    flowControl.run(asking, { timeoutMs: 60_000, client: asking.request }, () => work.promise),
  );
  await clock.advance(10_000);
  const shown = (name: string) =>
    [
      ...metrics
        .expose()
        .matchAll(new RegExp(`^apiserver_flowcontrol_${name}(?:\\{.*"(\\w+)"\\})? (.*)$`, 'gm')),
    ]
      .map(([, level, value]) => `${level ?? 'all'} ${value}`)
      .sort();
  assert.deepEqual(shown('current_limit_seats'), ['other 500', 'own 100']);
  for (const name of ['demand_seats_high_watermark', 'demand_seats_average', 'demand_seats_smoothed'])
    assert.deepEqual(shown(name), ['other 0', 'own 40'], name);
  assert.deepEqual(shown('demand_seats_stdev'), ['other 0', 'own 0']);
  // Neither lends: what they have of their own is what they should have, and all there is.
  assert.deepEqual(shown('target_seats'), ['other 500', 'own 100']);
  assert.deepEqual(shown('seat_fair_frac'), ['all 0']);
  work.resolve();
  await Promise.all(running);
});
