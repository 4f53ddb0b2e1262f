import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { limitReplicas, type ScalingHistory } from './hpa-behavior.ts';
import { parseSeconds } from './hpa-metrics-client.ts';
import {
  MetricProblem,
  replicasForAverage,
  replicasForShare,
  replicasForUtilization,
  replicasForValue,
} from './hpa-replicas.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const tolerances = { up: 0.1, down: 0.1 };

function pod(
  name: string,
  more: { phase?: string; ready?: string; startTime?: string; readySince?: string; going?: boolean } = {},
): Pod {
  const {
    phase = 'Running',
    ready = 'True',
    startTime = '2026-01-01T00:00:00Z',
    readySince = startTime,
    going,
  } = more;
  return {
    metadata: { name, ...(going && { deletionTimestamp: 'now' }) },
    status: {
      phase,
      startTime,
      conditions: [{ type: 'Ready', status: ready, lastTransitionTime: readySince }],
    },
  } as Pod;
}

interface Row {
  name: string;
  pods: Pod[];
  /** Thousandths by pod; each pod requests 1000. */
  uses: Record<string, number>;
  percent?: number;
  expect: number | string;
}

const young = { startTime: '2026-01-01T00:59:00Z' };
const rows: Row[] = [
  {
    name: 'twice the target doubles',
    pods: [pod('a'), pod('b')],
    uses: { a: 1000, b: 1000 },
    percent: 50,
    expect: 4,
  },
  {
    name: 'half the target halves',
    pods: [pod('a'), pod('b')],
    uses: { a: 250, b: 250 },
    percent: 50,
    expect: 1,
  },
  {
    name: 'within tolerance nothing changes',
    pods: [pod('a'), pod('b')],
    uses: { a: 540, b: 540 },
    percent: 50,
    expect: 2,
  },
  {
    name: 'a pod without metrics is idle when going up',
    pods: [pod('a'), pod('b')],
    uses: { a: 1000 },
    percent: 50,
    expect: 2,
  },
  {
    name: 'a pod without metrics is busy when going down',
    pods: [pod('a'), pod('b'), pod('c')],
    uses: { a: 100, b: 100 },
    percent: 50,
    expect: 3,
  },
  {
    name: 'a pod that is not ready is idle when going up',
    pods: [pod('a'), pod('b', { ready: 'False', ...young })],
    uses: { a: 1000, b: 900 },
    percent: 50,
    expect: 2,
  },
  {
    name: 'a pending pod counts as not ready',
    pods: [pod('a'), pod('b', { phase: 'Pending' })],
    uses: { a: 3000 },
    percent: 50,
    expect: 6,
  },
  {
    name: 'failed and deleted pods do not count',
    pods: [pod('a'), pod('b', { phase: 'Failed' }), pod('c', { going: true })],
    uses: { a: 1000, b: 9, c: 9 },
    percent: 50,
    expect: 2,
  },
  {
    name: 'no pods',
    pods: [],
    uses: {},
    expect: 'no pods returned by selector while calculating replica count',
  },
  {
    name: 'no usable metrics',
    pods: [pod('a', young)],
    uses: {},
    expect: 'did not receive metrics for targeted pods (pods might be unready)',
  },
];
for (const row of rows)
  test(`${row.name}: ${row.expect}`, () => {
    const metrics = new Map(
      Object.entries(row.uses).map(([name, milli]) => [name, { milli, atMs: nowMs, windowMs: 15_000 }]),
    );
    const requests = new Map(row.pods.map(({ metadata }) => [metadata.name, 1000]));
    const options = { current: row.pods.length, pods: row.pods, metrics, resource: 'cpu', tolerances, nowMs };
    const compute = () => replicasForUtilization(row.percent ?? 50, () => requests, options).replicas;
    if (typeof row.expect === 'number') assert.equal(compute(), row.expect);
    else assert.throws(compute, new MetricProblem(row.expect));
  });

test('an average value, a value and a share of a value', () => {
  const pods = [pod('a'), pod('b')];
  const metrics = new Map(['a', 'b'].map((name) => [name, { milli: 300_000, atMs: nowMs, windowMs: 1 }]));
  assert.equal(replicasForAverage(100_000, { current: 2, pods, metrics, tolerances, nowMs }).replicas, 6);
  const three = ['a', 'b', 'c'].map((name) => pod(name));
  assert.equal(replicasForValue(40_000, 20_000, { current: 3, pods: three, tolerances }), 6);
  assert.equal(replicasForValue(21_000, 20_000, { current: 3, pods: three, tolerances }), 3);
  const isOneReady = [pod('a'), pod('b', { ready: 'False' })];
  assert.equal(replicasForValue(40_000, 20_000, { current: 2, pods: isOneReady, tolerances }), 2);
  assert.throws(
    () => replicasForValue(40_000, 20_000, { current: 3, pods: [], tolerances }),
    /^MetricProblem: unable to calculate ready pods: no pods returned by selector/,
  );
  assert.equal(replicasForShare(1_000_000, 100_000, { statusReplicas: 4, tolerances }).replicas, 10);
});

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
const spec = (more: object = {}) =>
  ({ minReplicas: 1, maxReplicas: 100, scaleTargetRef: { kind: 'x', name: 'x' }, ...more }) as Spec;
const history = (more: Partial<ScalingHistory> = {}): ScalingHistory => ({
  recommendations: [],
  ups: [],
  downs: [],
  ...more,
});
const ago = (seconds: number) => nowMs - seconds * 1000;

const limits: [
  name: string,
  spec: Spec,
  current: number,
  desired: number,
  history: ScalingHistory,
  expect: number,
  reason: string,
][] = [
  ['doubling is the most without behavior', spec(), 10, 50, history(), 20, 'ScaleUpLimit'],
  ['four is always allowed', spec(), 1, 50, history(), 4, 'ScaleUpLimit'],
  ['the maximum', spec({ maxReplicas: 5 }), 4, 50, history(), 5, 'TooManyReplicas'],
  ['the minimum', spec({ minReplicas: 3 }), 5, 1, history(), 3, 'TooFewReplicas'],
  [
    'a higher recommendation of the last five minutes holds',
    spec(),
    8,
    2,
    history({ recommendations: [{ replicas: 6, atMs: ago(200) }] }),
    6,
    'DesiredWithinRange',
  ],
  [
    'an older one does not',
    spec(),
    8,
    2,
    history({ recommendations: [{ replicas: 6, atMs: ago(400) }] }),
    2,
    'DesiredWithinRange',
  ],
  [
    'a window for going up takes the lowest',
    spec({ behavior: { scaleUp: { stabilizationWindowSeconds: 60 } } }),
    3,
    9,
    history({ recommendations: [{ replicas: 4, atMs: ago(30) }] }),
    4,
    'DesiredWithinRange',
  ],
  [
    'disabled stays',
    spec({ behavior: { scaleUp: { selectPolicy: 'Disabled' } } }),
    3,
    9,
    history(),
    3,
    'ScaleUpLimit',
  ],
  [
    'what was added in the period counts',
    spec({ behavior: { scaleUp: { policies: [{ type: 'Pods', value: 4, periodSeconds: 60 }] } } }),
    6,
    20,
    history({ ups: [{ change: 3, atMs: ago(30) }] }),
    7,
    'ScaleUpLimit',
  ],
  [
    'the smallest of several policies',
    spec({
      behavior: {
        scaleDown: {
          selectPolicy: 'Min',
          stabilizationWindowSeconds: 0,
          policies: [
            { type: 'Pods', value: 4, periodSeconds: 60 },
            { type: 'Percent', value: 10, periodSeconds: 60 },
          ],
        },
      },
    }),
    20,
    1,
    history(),
    18,
    'ScaleDownLimit',
  ],
];
for (const [name, given, current, desired, past, expected, reason] of limits)
  test(`${name}: ${current} → ${desired} gives ${expected}`, () => {
    const { replicas, scalingLimited } = limitReplicas(given, { current, desired, history: past, nowMs });
    assert.deepEqual([replicas, scalingLimited.reason], [expected, reason]);
  });

test('windows are durations as Go writes them', () => {
  assert.equal(parseSeconds('1m30.5s'), 90.5);
  assert.equal(parseSeconds('500ms'), 0.5);
});
