import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { testPod } from '../pod.fixture.ts';
import {
  findMemoryProblem,
  findResizeProblem,
  findResizeTurn,
  inTurn,
  sameResources,
  shrinkingContainers,
  wholePod,
  withResources,
} from './resize.ts';

const asking = (cpu: string, memory = '1Mi'): Pod =>
  testPod({ containers: [{ name: 'c', resources: { requests: { cpu, memory } } }] });
const allocatable = { cpu: '2', memory: '1Gi', pods: '10' };

const rows: [name: string, pod: Pod, others: Pod[], reason: string | undefined, message?: string][] = [
  ['fits', asking('1'), [asking('1')], undefined],
  [
    'is more than the node has',
    asking('3'),
    [],
    'Infeasible',
    "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
  ],
  [
    'is more memory than the node has',
    asking('1', '2Gi'),
    [],
    'Infeasible',
    "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824",
  ],
  [
    'must wait for others',
    asking('1500m'),
    [asking('1')],
    'Deferred',
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
];
for (const [name, pod, others, reason, message] of rows) {
  test(`a resize that ${name} is ${reason ?? 'granted'}`, () => {
    const problem = findResizeProblem(pod, { allocatable, others });
    assert.equal(problem?.reason, reason);
    assert.equal(problem?.message, message);
  });
}

test('until it is granted, a pod stands as it was', () => {
  const before = asking('1').spec.containers[0]!.resources!;
  const pod = withResources(asking('3'), new Map([['c', before]]));
  assert.equal(sameResources(pod.spec.containers[0]!.resources, before), true);
  assert.equal(sameResources(before, { requests: { cpu: '1' } }), false);
});

test('that holds for what it asks for as a whole, too, and a pod that asks for nothing so stays as it is', () => {
  const pod = testPod({ resources: { requests: { cpu: '2' } } });
  const before = { requests: { cpu: '1' } };
  assert.deepEqual(withResources(pod, new Map([[wholePod, before]])).spec.resources, before);
  assert.equal('resources' in withResources(testPod(), new Map([[wholePod, {}]])).spec, false);
});

const called = (uid: string, pod: Pod, spec: Partial<Pod['spec']> = {}): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, uid },
  spec: { ...pod.spec, ...spec },
});
const guaranteed = (cpu: string): Pod['spec'] => {
  const amounts = { cpu, memory: '1Mi' };
  return { containers: [{ name: 'c', resources: { requests: amounts, limits: amounts } }] };
};

test('less comes first, then the higher priority, then guaranteed pods, then who has waited longest', () => {
  const granted = asking('500m');
  const waiting = [
    { pod: called('new', asking('1')), granted, sinceMs: 2 },
    { pod: called('old', asking('1')), granted, sinceMs: 1 },
    { pod: called('guaranteed', asking('1'), guaranteed('1')), granted, sinceMs: 3 },
    { pod: called('important', asking('1'), { priority: 9 }), granted, sinceMs: 4 },
    { pod: called('asker', asking('1')), granted },
    { pod: called('less', asking('100m')), granted, sinceMs: 5 },
  ];
  const order = ['less', 'important', 'guaranteed', 'old', 'new', 'asker'];
  assert.deepEqual(
    inTurn(waiting).map(({ pod }) => pod.metadata.uid),
    order,
  );
});

test('free resources go to the pod whose turn it is, whichever asks first', () => {
  const small = [called('low', asking('500m')), called('high', asking('500m'))];
  const waiting = [
    { pod: called('low', asking('1500m')), granted: small[0]!, sinceMs: 1 },
    { pod: called('high', asking('1500m'), { priority: 9 }), granted: small[1]!, sinceMs: 2 },
  ];
  const inputs = { allocatable, admitted: small };
  const low = findResizeTurn('low', waiting, inputs);
  assert.equal(low.problem?.reason, 'Deferred');
  assert.deepEqual(low.sooner, ['high']);
  assert.deepEqual(findResizeTurn('high', waiting, inputs), { problem: undefined, sooner: [] });
});

test('a pod whose resize is infeasible does not make others wait', () => {
  const admitted = [called('big', asking('500m')), called('small', asking('500m'))];
  const waiting = [
    { pod: called('big', asking('1800m'), { priority: 9 }), granted: admitted[0]!, sinceMs: 1 },
    { pod: called('small', asking('1')), granted: admitted[1]!, sinceMs: 2 },
  ];
  assert.deepEqual(findResizeTurn('small', waiting, { allocatable, admitted }), {
    problem: undefined,
    sooner: [],
  });
});

test('what a resize gives up is not given away before it is granted: each pod of a chain waits for the one before', () => {
  const [first, second, third] = [
    called('first', asking('600m', '1Mi')),
    called('second', asking('100m', '700Mi')),
    called('third', asking('1300m', '200Mi')),
  ];
  const before = ['first', 'second', 'third'].map((uid) => called(uid, asking('500m', '200Mi')));
  const resizes = [first, second, third].map((pod, index) => ({
    pod,
    granted: before[index]!,
    sinceMs: index,
  }));
  const turn = (granted: readonly Pod[]) => {
    const waiting = resizes.filter(({ pod }) => !granted.includes(pod));
    const admitted = resizes.map(({ pod, granted: old }) => (granted.includes(pod) ? pod : old));
    return (uid: string) => findResizeTurn(uid, waiting, { allocatable, admitted });
  };
  assert.deepEqual(turn([])('third'), {
    problem: {
      reason: 'Deferred',
      message: "Node didn't have enough resource: cpu, requested: 1300, used: 1100, capacity: 2000",
    },
    sooner: ['first', 'second'],
  });
  assert.equal(turn([])('first').problem, undefined);
  assert.equal(turn([first])('third').problem?.reason, 'Deferred');
  assert.equal(turn([first])('second').problem, undefined);
  assert.deepEqual(turn([first, second])('third'), { problem: undefined, sooner: [] });
});

const limited = (memory: string | undefined, more: object = {}): Pod =>
  testPod({
    containers: [{ name: 'c', resources: memory === undefined ? {} : { limits: { memory } }, ...more }],
  });
const restarting = { resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }] };
const shrinks: [what: string, before: Pod, wanted: Pod, names: string[]][] = [
  ['a lower limit', limited('2Mi'), limited('1Mi'), ['c']],
  ['a first limit', limited(undefined), limited('1Mi'), ['c']],
  ['a higher limit', limited('1Mi'), limited('2Mi'), []],
  ['a lower limit after a restart', limited('2Mi'), limited('1Mi', restarting), []],
];
for (const [what, before, wanted, names] of shrinks)
  test(`${what} ${names.length > 0 ? 'shrinks' : 'does not shrink'} a running container`, () => {
    assert.deepEqual(shrinkingContainers(before, wanted, new Set(['c'])), names);
    assert.deepEqual(shrinkingContainers(before, wanted, new Set()), []);
  });

test('a memory limit is not lowered below what is in use', () => {
  const wanted = limited('10Ki');
  const problem = (bytes: number) =>
    findMemoryProblem(wanted, ['c'], 10_240, { pod: bytes, containers: new Map([['c', bytes]]) });
  assert.equal(problem(10_239), undefined);
  assert.equal(
    problem(20_480),
    '[attempting to set pod memory limit (10240) below current usage (20480), attempting to set container "c" memory limit (10240) below current usage (20480)]',
  );
});
