import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { exited, observedPod, testContainer, testPod, testSandbox } from '../pod.fixture.ts';
import { computePodActions, goesBeyond, type ProbeFindings } from './pod-actions.ts';
import type { ObservedPod } from './pod-observation.ts';

function plan(pod: Pod, observed: ObservedPod, findings: Record<string, ProbeFindings> = {}) {
  const actions = computePodActions(pod, observed, (id) => findings[id] ?? {});
  return {
    killPod: actions.killPod,
    sandbox: actions.createSandbox ? `new ${actions.attempt}` : (actions.sandbox?.id ?? 'none'),
    init: actions.init.map(({ name }) => name),
    start: actions.containers.map(({ name }) => name),
    kill: actions.kill.map(({ container, reason }) => `${container.name} ${reason}`),
    ephemeral: actions.ephemeral.map(({ name }) => name),
  };
}

const idle = { killPod: false, sandbox: 's0', init: [], start: [], kill: [], ephemeral: [] };
const c = { name: 'c', image: 'img:1' };
const i1 = { name: 'i1', image: 'img:1' };
const i2 = { name: 'i2', image: 'img:1' };
const side = { name: 'side', image: 'img:1', restartPolicy: 'Always' };
const never = { restartPolicy: 'Never' as const };
const onFailure = { restartPolicy: 'OnFailure' as const };
const nothing: ObservedPod = { sandboxes: [], containers: [] };

const rows: [
  name: string,
  pod: Pod,
  observed: ObservedPod,
  expected: Partial<ReturnType<typeof plan>>,
  findings?: Record<string, ProbeFindings>,
][] = [
  [
    'a new pod gets a sandbox and all its containers',
    testPod(),
    nothing,
    { killPod: true, sandbox: 'new 0', start: ['c'] },
  ],
  [
    'with init containers only the first one starts',
    testPod({ initContainers: [i1, i2] }),
    nothing,
    { killPod: true, sandbox: 'new 0', init: ['i1'] },
  ],
  ['what runs is left alone', testPod(), observedPod(testContainer('c')), {}],
  ['a container that ended starts again', testPod(), observedPod(exited('c', 0)), { start: ['c'] }],
  ['under OnFailure not after success', testPod(onFailure), observedPod(exited('c', 0)), { killPod: true }],
  ['under OnFailure after a failure', testPod(onFailure), observedPod(exited('c', 1)), { start: ['c'] }],
  ['under Never not at all', testPod(never), observedPod(exited('c', 1)), { killPod: true }],
  [
    'one of two that ended for good waits for the other',
    testPod({ ...never, containers: [c, { ...c, name: 'd' }] }),
    observedPod(exited('c', 0), testContainer('d')),
    {},
  ],
  [
    'a container of its own policy follows that',
    testPod({ ...never, containers: [{ ...c, restartPolicy: 'OnFailure' }] }),
    observedPod(exited('c', 3)),
    { start: ['c'] },
  ],
  [
    'an exit code rule restarts under Never',
    testPod({
      ...never,
      containers: [
        { ...c, restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] },
      ],
    }),
    observedPod(exited('c', 42)),
    { start: ['c'] },
  ],
  [
    'a created container that never started is started anew',
    testPod(),
    observedPod(testContainer('c', { state: 'created' })),
    { start: ['c'] },
  ],
  [
    'another image restarts the container',
    testPod({ containers: [{ name: 'c', image: 'img:2' }] }),
    observedPod(testContainer('c')),
    { kill: ['c changed'], start: ['c'] },
  ],
  [
    'a failed liveness probe restarts it',
    testPod(),
    observedPod(testContainer('c')),
    { kill: ['c liveness'], start: ['c'] },
    { 'c-0': { liveness: 'failure' } },
  ],
  [
    'a failed startup probe restarts it',
    testPod(),
    observedPod(testContainer('c')),
    { kill: ['c startup'], start: ['c'] },
    { 'c-0': { startup: 'failure' } },
  ],
  [
    'under Never a failed liveness probe of the only container ends the pod',
    testPod(never),
    observedPod(testContainer('c')),
    { killPod: true },
    { 'c-0': { liveness: 'failure' } },
  ],
  [
    'under Never a failed liveness probe ends the container when others go on',
    testPod({ ...never, containers: [c, { ...c, name: 'd' }] }),
    observedPod(testContainer('c'), testContainer('d')),
    { kill: ['c liveness'] },
    { 'c-0': { liveness: 'failure' } },
  ],
  [
    'a dead sandbox is replaced, with the next attempt',
    testPod(),
    { sandboxes: [testSandbox({ ready: false })], containers: [exited('c', 255)] },
    { killPod: true, sandbox: 'new 1', start: ['c'] },
  ],
  [
    'a dead sandbox of a pod that is done is not',
    testPod(onFailure),
    { sandboxes: [testSandbox({ ready: false })], containers: [exited('c', 0)] },
    { killPod: true, sandbox: 'none' },
  ],
  [
    'nor of one that never restarts',
    testPod(never),
    { sandboxes: [testSandbox({ ready: false })], containers: [exited('c', 137)] },
    { killPod: true, sandbox: 'none' },
  ],
  [
    'a sandbox without an address is replaced',
    testPod(),
    { sandboxes: [testSandbox({ ips: [] })], containers: [] },
    { killPod: true, sandbox: 'new 1', start: ['c'] },
  ],
  [
    'but not on the host network',
    testPod({ hostNetwork: true }),
    { sandboxes: [testSandbox({ ips: [], onHostNetwork: true })], containers: [testContainer('c')] },
    {},
  ],
  [
    'the second init container follows the first',
    testPod({ initContainers: [i1, i2] }),
    observedPod(exited('i1', 0)),
    { init: ['i2'] },
  ],
  [
    'a running init container is waited for',
    testPod({ initContainers: [i1, i2] }),
    observedPod(testContainer('i1')),
    {},
  ],
  [
    'regular containers follow the last init container',
    testPod({ initContainers: [i1] }),
    observedPod(exited('i1', 0)),
    { start: ['c'] },
  ],
  [
    'a failed init container runs again',
    testPod({ initContainers: [i1] }),
    observedPod(exited('i1', 1)),
    { init: ['i1'] },
  ],
  [
    'under Never it ends the pod',
    testPod({ ...never, initContainers: [i1] }),
    observedPod(exited('i1', 1)),
    { killPod: true },
  ],
  [
    'a sidecar that runs lets the next one start',
    testPod({ initContainers: [side, i1] }),
    observedPod(testContainer('side')),
    { init: ['i1'] },
  ],
  [
    'with a startup probe only once that has passed',
    testPod({ initContainers: [{ ...side, startupProbe: {} }, i1] }),
    observedPod(testContainer('side')),
    {},
  ],
  [
    'and then it does',
    testPod({ initContainers: [{ ...side, startupProbe: {} }, i1] }),
    observedPod(testContainer('side')),
    { init: ['i1'] },
    { 'side-0': { startup: 'success' } },
  ],
  [
    'a sidecar that ended starts again beside its pod',
    testPod({ ...never, initContainers: [side] }),
    observedPod(testContainer('c'), exited('side', 1)),
    { init: ['side'] },
  ],
  [
    'but not when the pod is done: then the sidecar ends too',
    testPod({ ...never, initContainers: [side] }),
    observedPod(exited('c', 0), testContainer('side')),
    { killPod: true },
  ],
  [
    'an ephemeral container starts once',
    testPod({ ephemeralContainers: [{ name: 'e', image: 'img:1' }] }),
    observedPod(testContainer('c')),
    { ephemeral: ['e'] },
  ],
  [
    'and is not started again',
    testPod({ ephemeralContainers: [{ name: 'e', image: 'img:1' }] }),
    observedPod(exited('e', 0), testContainer('c')),
    {},
  ],
];

for (const [name, pod, observed, expected, findings] of rows) {
  test(`pod actions: ${name}`, () => {
    const base = expected.sandbox?.startsWith('new') ? { ...idle, sandbox: '' } : idle;
    assert.deepEqual(plan(pod, observed, findings), { ...base, ...expected });
  });
}

test('when all containers restart, the one that asked for it is removed last', () => {
  const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } };
  const pod = testPod({
    ...never,
    containers: [
      { ...c, restartPolicyRules: [rule] },
      { ...c, name: 'd' },
    ],
  });
  const killing = computePodActions(pod, observedPod(exited('c', 42), testContainer('d')), () => ({}));
  assert.deepEqual(
    killing.kill.map(({ container }) => container.name),
    ['d'],
  );
  const { kill, remove } = computePodActions(pod, observedPod(exited('c', 42), exited('d', 137)), () => ({}));
  assert.deepEqual([kill.length, remove.map(({ name }) => name)], [0, ['d', 'c']]);
});

test('after starts, there is more to do for what they made way for, and not for what they tried', () => {
  const isMoreDue = (pod: Pod, before: ObservedPod, after: ObservedPod) => {
    const [done, next] = [before, after].map((observed) => computePodActions(pod, observed, () => ({})));
    return goesBeyond(next!, done!);
  };
  const two = testPod({ containers: [c, { ...c, name: 'd' }] });
  assert.ok(!isMoreDue(two, nothing, observedPod(testContainer('c'), testContainer('d'))));
  // It could not be started, or ended at once: its retry has a time of its own.
  assert.ok(!isMoreDue(two, nothing, observedPod(testContainer('d'))));
  assert.ok(!isMoreDue(two, nothing, observedPod(exited('c', 1), testContainer('d'))));
  const afterSidecar = testPod({ initContainers: [side, i1] });
  assert.ok(isMoreDue(afterSidecar, nothing, observedPod(testContainer('side'))));
  assert.ok(isMoreDue(testPod({ initContainers: [i1] }), nothing, observedPod(exited('i1', 0))));
  const changed = testPod({ containers: [{ ...c, image: 'img:2' }] });
  const old = observedPod(testContainer('c'));
  assert.ok(isMoreDue(changed, nothing, old));
  assert.ok(!isMoreDue(changed, old, old), 'the runtime still shows what was killed');
  // The pod is over.
  assert.ok(isMoreDue(testPod(never), nothing, observedPod(exited('c', 0))));
});
