import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus, Pod } from '../../types/core-v1.gen.ts';
import { podTableColumns, summarizePod } from './columns.ts';

const nowMs = Date.parse('2020-01-01T01:00:00Z');

function container(
  name: string,
  state: ContainerStatus['state'],
  more: Partial<ContainerStatus> = {},
): ContainerStatus {
  return { name, image: 'i', imageID: '', ready: false, restartCount: 0, ...(state && { state }), ...more };
}

function pod(status: Pod['status'], more: { spec?: object; metadata?: object } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2020-01-01T00:00:00Z',
      ...more.metadata,
    },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more.spec },
    ...(status && { status }),
  } as Pod;
}

const running = { running: { startedAt: '2020-01-01T00:00:00Z' } };
const ended = (exitCode: number, reason?: string) => ({
  terminated: { exitCode, ...(reason && { reason }) },
});
const waiting = (reason: string) => ({ waiting: { reason } });
const initSpec = {
  initContainers: [
    { name: 'i', image: 'i' },
    { name: 'j', image: 'i' },
  ],
};
const sidecarSpec = { initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always' }] };

const rows: [what: string, status: string, ready: string, pod: Pod][] = [
  ['waits for a node', 'Pending', '0/1', pod({ phase: 'Pending' })],
  [
    'is gated',
    'SchedulingGated',
    '0/1',
    pod({
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    } as Pod['status']),
  ],
  [
    'is being made',
    'ContainerCreating',
    '0/1',
    pod({ phase: 'Pending', containerStatuses: [container('c', waiting('ContainerCreating'))] }),
  ],
  [
    'runs',
    'Running',
    '1/1',
    pod({ phase: 'Running', containerStatuses: [container('c', running, { ready: true })] }),
  ],
  [
    'runs, not ready',
    'Running',
    '0/1',
    pod({ phase: 'Running', containerStatuses: [container('c', running)] }),
  ],
  [
    'crashes',
    'CrashLoopBackOff',
    '0/1',
    pod({ phase: 'Running', containerStatuses: [container('c', waiting('CrashLoopBackOff'))] }),
  ],
  [
    'has no image',
    'ImagePullBackOff',
    '0/1',
    pod({ phase: 'Pending', containerStatuses: [container('c', waiting('ImagePullBackOff'))] }),
  ],
  [
    'is done',
    'Completed',
    '0/1',
    pod({ phase: 'Succeeded', containerStatuses: [container('c', ended(0, 'Completed'))] }),
  ],
  [
    'failed',
    'Error',
    '0/1',
    pod({ phase: 'Failed', containerStatuses: [container('c', ended(1, 'Error'))] }),
  ],
  [
    'ended without a reason',
    'ExitCode:3',
    '0/1',
    pod({ phase: 'Failed', containerStatuses: [container('c', ended(3))] }),
  ],
  ['was evicted', 'Evicted', '0/1', pod({ phase: 'Failed', reason: 'Evicted' })],
  [
    'has one container done, one ready',
    'Running',
    '1/2',
    pod(
      {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [container('c', ended(0, 'Completed')), container('d', running, { ready: true })],
      } as Pod['status'],
      { spec: { containers: [{ name: 'c' }, { name: 'd' }] } },
    ),
  ],
  [
    'has one container done and is not ready',
    'NotReady',
    '1/2',
    pod(
      {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'False' }],
        containerStatuses: [container('c', ended(0, 'Completed')), container('d', running, { ready: true })],
      } as Pod['status'],
      { spec: { containers: [{ name: 'c' }, { name: 'd' }] } },
    ),
  ],
  [
    'initializes',
    'Init:0/2',
    '0/1',
    pod({ phase: 'Pending', initContainerStatuses: [container('i', running)] }, { spec: initSpec }),
  ],
  [
    'initializes further',
    'Init:1/2',
    '0/1',
    pod(
      {
        phase: 'Pending',
        initContainerStatuses: [container('i', ended(0)), container('j', waiting('PodInitializing'))],
      },
      { spec: initSpec },
    ),
  ],
  [
    'cannot initialize',
    'Init:Error',
    '0/1',
    pod({ phase: 'Pending', initContainerStatuses: [container('i', ended(1, 'Error'))] }, { spec: initSpec }),
  ],
  [
    'cannot initialize again and again',
    'Init:CrashLoopBackOff',
    '0/1',
    pod(
      { phase: 'Pending', initContainerStatuses: [container('i', waiting('CrashLoopBackOff'))] },
      { spec: initSpec },
    ),
  ],
  [
    'runs beside a sidecar',
    'Running',
    '2/2',
    pod(
      {
        phase: 'Running',
        initContainerStatuses: [container('s', running, { ready: true, started: true })],
        containerStatuses: [container('c', running, { ready: true })],
      },
      { spec: sidecarSpec },
    ),
  ],
  [
    'is deleted',
    'Terminating',
    '1/1',
    pod(
      { phase: 'Running', containerStatuses: [container('c', running, { ready: true })] },
      { metadata: { deletionTimestamp: '2020-01-01T00:30:00Z' } },
    ),
  ],
  [
    'is deleted on a lost node',
    'Unknown',
    '0/1',
    pod(
      { phase: 'Running', reason: 'NodeLost' },
      { metadata: { deletionTimestamp: '2020-01-01T00:30:00Z' } },
    ),
  ],
  [
    'is done and deleted',
    'Terminating',
    '0/1',
    pod({ phase: 'Succeeded' }, { metadata: { deletionTimestamp: '2020-01-01T00:30:00Z' } }),
  ],
];

for (const [what, status, ready, subject] of rows)
  test(`a pod that ${what} is shown as ${status}`, () => {
    const summary = summarizePod(subject);
    assert.deepEqual([summary.reason, `${summary.ready}/${summary.total}`], [status, ready]);
  });

test('restarts say how long ago the last one was', () => {
  const restarted = pod({
    phase: 'Running',
    containerStatuses: [
      container('c', running, {
        ready: true,
        restartCount: 3,
        lastState: { terminated: { exitCode: 1, finishedAt: '2020-01-01T00:55:00Z' } },
      }),
    ],
  });
  const cell = (name: string) =>
    podTableColumns.find((column) => column.name === name)!.cell(restarted, { nowMs });
  assert.equal(cell('Restarts'), '3 (5m ago)');
  assert.equal(cell('Age'), '60m');
  assert.equal(cell('Node'), '<none>');
});
