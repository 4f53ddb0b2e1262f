import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { WaitingReason } from '../../containers/container-statuses.ts';
import { exited, observedPod, testContainer, testPod, testSandbox } from '../../pod.fixture.ts';
import type { ObservedPod } from '../pod-observation.ts';
import { computePodStatus, type PodStatusInputs } from './pod-status.ts';

function status(
  pod: Pod,
  observed: ObservedPod,
  change: Partial<PodStatusInputs> & { waiting?: Record<string, WaitingReason> } = {},
) {
  return computePodStatus(pod, observed, {
    runtimeName: 'containerd',
    failures: new Map(Object.entries(change.waiting ?? {})),
    isStarted: () => true,
    isReady: () => true,
    resourcesOf: () => undefined,
    allocatedTo: () => undefined,
    hasRecursiveReadOnly: true,
    nowMs: Date.UTC(2026, 0, 1),
    hostIps: ['10.0.0.1'],
    ended: false,
    ...change,
  });
}

const conditionsOf = ({
  conditions = [],
}: {
  conditions?: { type: string; status: string; reason?: string }[];
}) =>
  Object.fromEntries(
    conditions.map(({ type, status: is, reason }) => [type, reason ? `${is} ${reason}` : is]),
  );

const init = { name: 'i', image: 'img:1' };
const never = { restartPolicy: 'Never' as const };
const restartedBy = (action: string) => ({
  name: 'c',
  image: 'img:1',
  restartPolicy: 'Never',
  restartPolicyRules: [{ action, exitCodes: { operator: 'In', values: [42] } }],
});
const nothing: ObservedPod = { sandboxes: [], containers: [] };

test('a pod is not reported as ended before the drivers of its devices know', () => {
  const over = observedPod(exited('c', 0));
  const pod = testPod(never, { phase: 'Running' });
  assert.equal(status(pod, over, { holdsDevices: true }).phase, 'Running');
  assert.equal(status(pod, over, { holdsDevices: true, ended: true }).phase, 'Running');
  assert.equal(status(pod, over, { holdsDevices: false }).phase, 'Succeeded');
});

test('the devices of a container are reported, where there are any', () => {
  const devices = [{ name: 'example.com/gpu', resources: [{ resourceID: 'g0', health: 'Healthy' }] }];
  const pod = testPod({ initContainers: [init], containers: [init, { name: 'd', image: 'img:1' }] });
  const found = status(pod, nothing, { devicesOf: ({ name }) => (name === 'i' ? devices : []) });
  assert.deepEqual(
    [...found.containerStatuses!, ...found.initContainerStatuses!].map(
      (each) => each.allocatedResourcesStatus,
    ),
    [undefined, devices, undefined],
  );
});

test('a pod without a sandbox is Pending and waits in ContainerCreating', () => {
  const found = status(testPod(), nothing);
  assert.equal(found.phase, 'Pending');
  assert.deepEqual(found.containerStatuses?.[0]?.state, { waiting: { reason: 'ContainerCreating' } });
  assert.deepEqual(conditionsOf(found), {
    PodReadyToStartContainers: 'False',
    Initialized: 'True',
    Ready: 'False ContainersNotReady',
    ContainersReady: 'False ContainersNotReady',
    PodScheduled: 'True',
  });
});

test('with init containers the regular ones wait in PodInitializing, and Initialized names what is missing', () => {
  const found = status(testPod({ initContainers: [init] }), nothing);
  assert.equal(found.containerStatuses?.[0]?.state?.waiting?.reason, 'PodInitializing');
  const initialized = found.conditions?.find(({ type }) => type === 'Initialized');
  assert.equal(initialized?.message, 'containers with incomplete status: [i]');
});

test('a running pod is Running and Ready, with its addresses', () => {
  const found = status(testPod(), observedPod(testContainer('c')));
  assert.equal(found.phase, 'Running');
  assert.equal(found.podIP, '10.244.0.5');
  assert.deepEqual(found.hostIPs, [{ ip: '10.0.0.1' }]);
  assert.equal(conditionsOf(found).Ready, 'True');
  assert.equal(found.containerStatuses?.[0]?.containerID, 'containerd://c-0');
});

const phases: [name: string, pod: Pod, observed: ObservedPod, ended: boolean, phase: string][] = [
  ['a container that ended and will start again', testPod(), observedPod(exited('c', 1)), false, 'Running'],
  ['a pod whose containers all succeeded', testPod(never), observedPod(exited('c', 0)), true, 'Succeeded'],
  ['a pod with a failed container', testPod(never), observedPod(exited('c', 2)), true, 'Failed'],
  ['an always restarting pod that was ended', testPod(), observedPod(exited('c', 0)), true, 'Succeeded'],
  [
    'a failed init container under Never',
    testPod({ ...never, initContainers: [init] }),
    observedPod(exited('i', 1)),
    false,
    'Failed',
  ],
  [
    'a failed init container that runs again',
    testPod({ initContainers: [init] }),
    observedPod(exited('i', 1)),
    false,
    'Pending',
  ],
  [
    'a running init container',
    testPod({ initContainers: [init] }),
    observedPod(testContainer('i')),
    false,
    'Pending',
  ],
  ['a pod that was Running does not go back', testPod({}, { phase: 'Running' }), nothing, false, 'Running'],
  ['a pod that Succeeded stays so', testPod({}, { phase: 'Succeeded' }), nothing, false, 'Succeeded'],
  [
    'a container that its own rule restarts, under Never',
    testPod({ ...never, containers: [restartedBy('Restart')] }),
    observedPod(exited('c', 42)),
    false,
    'Running',
  ],
  [
    'a container that no rule restarts, under Never',
    testPod({ ...never, containers: [restartedBy('Restart')] }),
    observedPod(exited('c', 1)),
    false,
    'Failed',
  ],
  [
    'a container with a policy of its own, under Never',
    testPod({ ...never, containers: [{ name: 'c', image: 'img:1', restartPolicy: 'Always' }] }),
    observedPod(exited('c', 1)),
    false,
    'Running',
  ],
  [
    'an init container that its own policy restarts, under Never',
    testPod({ ...never, initContainers: [{ ...init, restartPolicy: 'OnFailure' }] }),
    observedPod(exited('i', 1)),
    false,
    'Pending',
  ],
  [
    'containers done beside a running sidecar',
    testPod({ ...never, initContainers: [{ ...init, restartPolicy: 'Always' }] }),
    observedPod(exited('c', 0), testContainer('i')),
    false,
    'Running',
  ],
];
for (const [name, pod, observed, ended, phase] of phases) {
  test(`phase: ${name} means ${phase}`, () => assert.equal(status(pod, observed, { ended }).phase, phase));
}

test('a failure to start is the reason to wait, and the end before it the last state', () => {
  const waiting = { c: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } };
  const [container] = status(testPod(), observedPod(exited('c', 3, { reason: 'Error' })), { waiting })
    .containerStatuses!;
  assert.deepEqual(container?.state, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } });
  assert.equal(container?.lastState?.terminated?.exitCode, 3);
});

test('a restarted container shows how the one before ended', () => {
  const observed = observedPod(
    testContainer('c', { restartCount: 1 }),
    exited('c', 137, { reason: 'OOMKilled' }),
  );
  const [container] = status(testPod(), observed).containerStatuses!;
  assert.equal(container?.restartCount, 1);
  assert.equal(container?.lastState?.terminated?.reason, 'OOMKilled');
});

test('containers that all restart are restarting, not failed, and count it', () => {
  const pod = testPod({
    ...never,
    containers: [restartedBy('RestartAllContainers'), { name: 'd', image: 'img:1' }],
  });
  const restarting = (of: ReturnType<typeof status>) => conditionsOf(of).AllContainersRestarting;
  const look = (observed: ObservedPod) => {
    pod.status = status(pod, observed);
    return [pod.status.phase, restarting(pod.status)];
  };
  assert.deepEqual(look(observedPod(testContainer('c'), testContainer('d'))), ['Running', 'False']);
  const asked = ['Running', 'True RestartAllContainersStarted'];
  assert.deepEqual(look(observedPod(exited('c', 42), testContainer('d'))), asked);
  assert.deepEqual(look(observedPod(exited('c', 42), exited('d', 137))), asked);
  for (let again = 0; again < 2; again++) {
    assert.deepEqual(look(observedPod()), ['Running', 'False']);
    for (const { state, lastState, restartCount } of pod.status!.containerStatuses!) {
      assert.equal(state?.waiting?.reason, 'RestartingAllContainers');
      assert.deepEqual([lastState?.terminated?.exitCode, restartCount], [137, 1]);
      assert.equal(lastState?.terminated?.reason, 'RestartingAllContainers');
    }
  }
  const next = { restartCount: 1 };
  assert.deepEqual(look(observedPod(testContainer('c', next))), ['Running', 'False']);
  assert.deepEqual(look(observedPod(testContainer('c', next), testContainer('d', next))), [
    'Running',
    'False',
  ]);
});

test('the status of an init container that passed again says that it was removed to restart, not that it failed before', () => {
  const lastReason = (reason: string) => {
    const last = { exitCode: 137, reason };
    const before = { name: 'i', lastState: { terminated: last } } as core.ContainerStatus;
    const pod = testPod({ initContainers: [init] }, { initContainerStatuses: [before] });
    const [now] = status(pod, observedPod(exited('i', 0), testContainer('c'))).initContainerStatuses!;
    return now?.lastState?.terminated?.reason;
  };
  assert.equal(lastReason('RestartingAllContainers'), 'RestartingAllContainers');
  assert.equal(lastReason('Error'), undefined);
});

test('a readiness gate holds Ready back but not ContainersReady', () => {
  const pod = testPod({ readinessGates: [{ conditionType: 'example.com/gate' }] });
  const held = status(pod, observedPod(testContainer('c')));
  assert.equal(conditionsOf(held).ContainersReady, 'True');
  assert.equal(conditionsOf(held).Ready, 'False ReadinessGatesNotReady');
  pod.status = { conditions: [{ type: 'example.com/gate', status: 'True' }] };
  assert.equal(conditionsOf(status(pod, observedPod(testContainer('c')))).Ready, 'True');
});

test('a verdict explains the phase only once everything has ended', () => {
  const verdict = { reason: 'DeadlineExceeded', message: 'too long' };
  assert.equal(status(testPod(), observedPod(testContainer('c')), { verdict }).reason, undefined);
  const ended = status(testPod(), observedPod(exited('c', 137)), { verdict, ended: true });
  assert.deepEqual([ended.phase, ended.reason, ended.message], ['Failed', 'DeadlineExceeded', 'too long']);
});

test('a pod that is evicted has failed, unless all of its containers end well', () => {
  const verdict = {
    reason: 'Evicted',
    message: 'The node was low on resource: memory. ',
    disruption: { reason: 'TerminationByKubelet', message: 'The node was low on resource: memory. ' },
    yieldsToSuccess: true,
  };
  const running = testPod({}, { phase: 'Running' });
  const ends = status(running, observedPod(testContainer('c')), { verdict });
  assert.deepEqual([ends.phase, ends.reason], ['Running', undefined]);
  assert.equal(conditionsOf(ends).DisruptionTarget, undefined, 'nobody makes up for it while it runs');

  const killed = status(running, observedPod(exited('c', 137)), { verdict, ended: true });
  assert.deepEqual([killed.phase, killed.reason, killed.message], ['Failed', 'Evicted', verdict.message]);
  assert.equal(conditionsOf(killed).DisruptionTarget, 'True TerminationByKubelet');

  const obeyed = status(running, observedPod(exited('c', 0)), { verdict, ended: true });
  assert.deepEqual([obeyed.phase, obeyed.reason, obeyed.message], ['Succeeded', undefined, undefined]);
  assert.equal(conditionsOf(obeyed).DisruptionTarget, 'True TerminationByKubelet');
  assert.equal(conditionsOf(obeyed).Ready, 'False PodCompleted');
});

test('a static pod observes no generation, and has failed when it ends so by itself, not when it is removed', () => {
  const mirrorOf = (spec: Partial<core.PodSpec>) => {
    const pod = testPod(spec, { phase: 'Running' });
    pod.metadata.annotations = { 'kubernetes.io/config.mirror': 'u' };
    return pod;
  };
  const phaseOf = (spec: Partial<core.PodSpec>, exitCode: number) =>
    status(mirrorOf(spec), observedPod(exited('c', exitCode)), { ended: true }).phase;
  assert.equal(phaseOf({}, 137), 'Running');
  const { observedGeneration, conditions } = status(mirrorOf({}), observedPod(testContainer('c')));
  assert.deepEqual([observedGeneration, conditions?.[0]?.observedGeneration], [undefined, undefined]);
  assert.equal(phaseOf(never, 0), 'Succeeded');
  assert.equal(phaseOf(never, 1), 'Failed');
});

test('a refused pod has neither containers nor conditions of its own', () => {
  const verdict = { reason: 'OutOfcpu', message: 'Pod was rejected: …' };
  const refused = status(testPod(), nothing, { verdict, ended: true });
  assert.equal(refused.phase, 'Failed');
  assert.deepEqual(refused.containerStatuses, []);
  assert.deepEqual(refused.conditions, []);
});

test('a pod that an earlier agent refused stays as it is', () => {
  const reason = { reason: 'OutOfcpu', message: 'Pod was rejected: …' };
  const refused = testPod({}, { phase: 'Failed', startTime: '2026-01-01T00:00:00Z', ...reason });
  assert.deepEqual(status(refused, nothing, { ended: true }), {
    phase: 'Failed',
    startTime: '2026-01-01T00:00:00Z',
    qosClass: 'BestEffort',
    observedGeneration: 1,
    conditions: [],
    containerStatuses: [],
    ...reason,
  });
});

test('the status of a refused pod has little more than the reason', () => {
  const verdict = { reason: 'OutOfcpu', message: 'Pod was rejected: …' };
  const scheduled = testPod({}, { conditions: [{ type: 'PodScheduled', status: 'True' }] as never });
  const { startTime, ...refused } = status(scheduled, nothing, { verdict, ended: true });
  assert.ok(startTime);
  assert.deepEqual(refused, {
    phase: 'Failed',
    ...verdict,
    qosClass: 'BestEffort',
    observedGeneration: 1,
    conditions: [],
    containerStatuses: [],
  });
});

test('a container that never came to run is of unknown end when its pod is over', () => {
  const failed = status(testPod(), { sandboxes: [testSandbox()], containers: [] }, { ended: true });
  assert.deepEqual(failed.containerStatuses?.[0]?.state, {
    terminated: {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
    },
  });
  const cut = testPod({ initContainers: [init] });
  for (const again of [false, true]) {
    if (again) cut.status = status(cut, observedPod(exited('i', 0)), { ended: true });
    const { containerStatuses } = status(cut, observedPod(exited('i', 0)), { ended: true });
    assert.deepEqual(containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
  }
});

test('a container that ran and that the runtime has forgotten was restarted, unless its pod was deleted', () => {
  const pod = testPod();
  pod.status = status(pod, observedPod(testContainer('c')));
  const lost = () => status(pod, { sandboxes: [testSandbox()], containers: [] }).containerStatuses?.[0];
  const { state, lastState, restartCount } = lost() ?? {};
  assert.deepEqual([state, restartCount], [{ waiting: { reason: 'ContainerCreating' } }, 1]);
  assert.deepEqual(lastState, {
    terminated: {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message:
        'The container could not be located when the pod was deleted.  The container used to be Running',
    },
  });
  pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  assert.equal(lost()?.restartCount, 0);
});

test('a sidecar that keeps succeeding is not shown as waiting, one that fails is', () => {
  const pod = testPod({ initContainers: [{ ...init, restartPolicy: 'Always' }] });
  const waiting = { i: { reason: 'CrashLoopBackOff', message: 'back-off' } };
  const stateAfter = (exitCode: number) =>
    Object.keys(
      status(pod, observedPod(testContainer('c'), exited('i', exitCode)), { waiting })
        .initContainerStatuses?.[0]?.state ?? {},
    );
  assert.deepEqual(stateAfter(0), ['terminated']);
  assert.deepEqual(stateAfter(1), ['waiting']);
});

test('an ephemeral container is never reported as started', () => {
  const pod = testPod({ ephemeralContainers: [{ name: 'e', image: 'img:1' }] as never });
  const { ephemeralContainerStatuses } = status(pod, observedPod(testContainer('c'), testContainer('e')));
  assert.equal(ephemeralContainerStatuses?.[0]?.started, undefined);
});

test('the time of a transition stays while the status of the condition does', () => {
  const before = [{ type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }];
  const ready = (observed: ObservedPod) =>
    status(testPod({}, { conditions: before }), observed).conditions?.find(({ type }) => type === 'Ready');
  assert.equal(ready(observedPod(testContainer('c')))?.lastTransitionTime, '2020-01-01T00:00:00Z');
  assert.equal(ready(observedPod(exited('c', 1)))?.lastTransitionTime, '2026-01-01T00:00:00Z');
});

test('a pod whose init container failed is Failed when its sidecar has ended, not before', () => {
  const sidecar = { name: 's', image: 'img:1', restartPolicy: 'Always' };
  const pod = testPod({ ...never, initContainers: [sidecar, init] }, { phase: 'Pending' });
  const failed = exited('i', 1);
  const running = observedPod(testContainer('s'), failed);
  assert.equal(status(pod, running).phase, 'Pending');
  assert.equal(status(pod, observedPod(exited('s', 0), failed), { ended: true }).phase, 'Failed');
});

test('a pod whose sidecar asks for a restart of all is not over, although all of it has ended', () => {
  const sidecar = { ...restartedBy('RestartAllContainers'), name: 's', restartPolicy: 'Always' };
  const pod = testPod({ ...never, initContainers: [sidecar] }, { phase: 'Running' });
  assert.equal(status(pod, observedPod(exited('s', 42), exited('c', 137))).phase, 'Running');
});

test('every condition of a pod has its observed generation', () => {
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-01-01T00:00:00Z' };
  const { conditions = [] } = status(
    testPod({}, { conditions: [scheduled] }),
    observedPod(testContainer('c')),
  );
  assert.deepEqual(
    conditions.map(({ observedGeneration }) => observedGeneration),
    conditions.map(() => 1),
  );
  const kept = conditions.find(({ type }) => type === 'PodScheduled');
  assert.equal(kept?.lastTransitionTime, scheduled.lastTransitionTime);
});

test('while a resize is under way, the status has what is allocated and what is in force', () => {
  const change = {
    resourcesOf: () => ({ requests: { cpu: '1' } }),
    allocatedTo: () => ({ requests: { cpu: '2' } }),
  };
  const { containerStatuses = [] } = status(testPod(), observedPod(testContainer('c')), change);
  assert.deepEqual(containerStatuses[0]!.resources, { requests: { cpu: '1' } });
  assert.deepEqual(containerStatuses[0]!.allocatedResources, { cpu: '2' });
});

test('the status of a container that does not run has its allocated resources and mounts', () => {
  const granted = { requests: { cpu: '2' }, limits: { cpu: '3' } };
  const change = { resourcesOf: () => ({ requests: { cpu: '1' } }), allocatedTo: () => granted };
  const spec = {
    ...never,
    containers: [{ name: 'c', image: 'img:1', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
  };
  const [ended] = status(testPod(spec), observedPod(exited('c', 1)), change).containerStatuses ?? [];
  assert.deepEqual([ended!.resources, ended!.allocatedResources], [granted, granted.requests]);
  const [waiting] = status(testPod(spec), observedPod(), change).containerStatuses ?? [];
  assert.deepEqual(waiting!.volumeMounts, [{ name: 'v', mountPath: '/v' }]);
  assert.equal(waiting!.resources, undefined);
});

test('a pod that has ended has no sandbox to start containers in, even if it was seen up last', () => {
  const verdict = { reason: 'DeadlineExceeded', message: 'm' };
  const seen = observedPod(exited('c', 137));
  const ready = (ended: boolean) =>
    conditionsOf(status(testPod(never), seen, { verdict, ended })).PodReadyToStartContainers;
  assert.deepEqual([ready(false), ready(true)], ['True', 'False']);
});
