import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { defaultThresholds } from '../eviction/eviction-plan.ts';
import type { MachineFacts } from '../machine.ts';
import { testPod } from '../pod.fixture.ts';
import { type AdmissionInputs, findRefusal } from './admission.ts';
import { nodeConditions } from './node-conditions.ts';
import { nodeResources, podsMemoryMaxBytes, podsShare } from './node-resources.ts';
import { planPreemption } from './preemption.ts';

const inputs: AdmissionInputs = {
  node: sparse<Node>({ metadata: { name: 'n', labels: { disk: 'ssd' } } }),
  allocatable: { cpu: '2', memory: '1Gi', pods: '3' },
  others: [],
  devices: new Set(['example.com/dev']),
  memoryPressure: false,
  diskPressure: false,
  pidPressure: false,
  allowedUnsafeSysctls: ['kernel.msg*'],
  hasStrictGroups: true,
  hasAppArmor: false,
};

const asking = (requests: Record<string, string>, spec: Partial<core.PodSpec> = {}): Pod =>
  testPod({ containers: [{ name: 'c', resources: { requests } }], ...spec });
const onPort = (hostPort: number, hostIP?: string) =>
  testPod({
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, ...(hostIP && { hostIP }) }] }],
  });
const strictGroups = testPod({ securityContext: { supplementalGroupsPolicy: 'Strict' } });
const confined = (type: 'RuntimeDefault' | 'Unconfined') =>
  testPod({ containers: [{ name: 'c', securityContext: { appArmorProfile: { type } } }] });
const withSysctl = (name: string, spec: Partial<core.PodSpec> = {}) =>
  testPod({ securityContext: { sysctls: [{ name, value: '1' }] }, ...spec });

const rows: [
  name: string,
  pod: Pod,
  change: Partial<AdmissionInputs>,
  reason: string | undefined,
  message?: string,
][] = [
  ['a pod that fits', asking({ cpu: '1' }), {}, undefined],
  [
    'too much cpu',
    asking({ cpu: '2' }),
    { others: [asking({ cpu: '100m' })] },
    'OutOfcpu',
    "Node didn't have enough resource: cpu, requested: 2000, used: 100, capacity: 2000",
  ],
  [
    'an extended resource that is taken',
    asking({ 'example.com/gpu': '1' }),
    { allocatable: { ...inputs.allocatable, 'example.com/gpu': '0' } },
    'OutOfexample.com/gpu',
  ],
  ['an extended resource that the node knows nothing of', asking({ 'example.com/gpu': '1' }), {}, undefined],
  ['too many pods', testPod(), { others: [testPod(), testPod(), testPod()] }, 'OutOfpods'],
  ['another node selector', testPod({ nodeSelector: { disk: 'hdd' } }), {}, 'NodeAffinity'],
  ['a port that is taken', onPort(80), { others: [onPort(80, '10.0.0.1')] }, 'NodePorts'],
  [
    'the same port on another address',
    onPort(80, '10.0.0.2'),
    { others: [onPort(80, '10.0.0.1')] },
    undefined,
  ],
  [
    'an unsafe sysctl',
    withSysctl('kernel.sem'),
    {},
    'SysctlForbidden',
    'forbidden sysctl: "kernel.sem" not allowlisted',
  ],
  ['an allowed one', withSysctl('kernel.msgmax'), {}, undefined],
  ['a safe one', withSysctl('net.ipv4.tcp_syncookies'), {}, undefined],
  ['a safe one with slashes', withSysctl('net/ipv4/tcp_syncookies'), {}, undefined],
  [
    'a safe one of the network that is the host’s',
    withSysctl('net/ipv4/tcp_syncookies', { hostNetwork: true }),
    {},
    'SysctlForbidden',
    'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled',
  ],
  ['one of IPC beside the host’s network', withSysctl('kernel.msgmax', { hostNetwork: true }), {}, undefined],
  [
    'no promise under memory pressure',
    testPod(),
    { memoryPressure: true },
    'Evicted',
    'The node had condition: [MemoryPressure]. ',
  ],
  ['a promise under memory pressure', asking({ memory: '1Mi' }), { memoryPressure: true }, undefined],
  ['anything under disk pressure', asking({ memory: '1Mi' }), { diskPressure: true }, 'Evicted'],
  [
    'a critical pod under disk pressure',
    testPod({ priority: 2_000_000_000 }),
    { diskPressure: true },
    undefined,
  ],
  [
    'a label of another operating system',
    { ...testPod(), metadata: { ...testPod().metadata, labels: { 'kubernetes.io/os': 'windows' } } },
    {},
    'PodOSSelectorNodeLabelDoesNotMatch',
    "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
  ],
  ['groups that are not merged', strictGroups, {}, undefined],
  [
    'groups that are not merged, where the runtime would merge them',
    strictGroups,
    { hasStrictGroups: false },
    'SupplementalGroupsPolicyNotSupported',
    'SupplementalGroupsPolicy=Strict is not supported in this node',
  ],
  [
    'a profile of AppArmor',
    confined('RuntimeDefault'),
    {},
    'AppArmor',
    'Cannot enforce AppArmor: AppArmor is not enabled on the host',
  ],
  [
    'a profile of AppArmor, where the kernel has it',
    confined('RuntimeDefault'),
    { hasAppArmor: true },
    undefined,
  ],
  ['a container that AppArmor is not to confine', confined('Unconfined'), {}, undefined],
  ['another operating system', testPod({ os: { name: 'windows' } }), {}, 'PodOSNotSupported'],
];
for (const [name, pod, change, reason, message] of rows) {
  test(`admission: ${name} ${reason ? `is refused: ${reason}` : 'is taken'}`, () => {
    const refusal = findRefusal(pod, { ...inputs, ...change });
    assert.equal(refusal?.reason, reason);
    if (message !== undefined) assert.equal(refusal?.message, message);
  });
}

test('for a critical pod those give way that promise and count least, and no more than needed', () => {
  const named = (name: string, pod: Pod): Pod => ({ ...pod, metadata: { ...pod.metadata, name } });
  const others = [
    named('big', asking({ cpu: '500m' }, { priority: 10 })),
    named('small', asking({ cpu: '300m' }, { priority: 1 })),
    named('critical', asking({ cpu: '1' }, { priority: 2_000_001_000 })),
    named('free', testPod()),
  ];
  const critical = asking({ cpu: '1' }, { priority: 2_000_000_000 });
  const names = (missing: number) =>
    planPreemption(critical, { cpu: missing }, others)?.map(({ metadata }) => metadata.name);
  assert.deepEqual(names(200), ['small']);
  assert.deepEqual(names(700), ['small', 'big']);
  assert.equal(names(900), undefined);
  assert.equal(planPreemption(testPod(), { cpu: 1 }, others), undefined);
});

test('a condition that stays keeps its time of transition, and problems make the node not ready', () => {
  const healthy = { memoryPressure: false, diskPressure: false, pidPressure: false, problems: [] };
  const first = nodeConditions(healthy, [], 't1');
  assert.deepEqual(
    first.map(({ type, status }) => `${type}=${status}`),
    ['MemoryPressure=False', 'DiskPressure=False', 'PIDPressure=False', 'Ready=True'],
  );
  const second = nodeConditions({ ...healthy, problems: ['a', 'b'] }, first, 't2');
  assert.equal(second[0]!.lastTransitionTime, 't1');
  assert.deepEqual(second[3], {
    type: 'Ready',
    status: 'False',
    reason: 'KubeletNotReady',
    message: '[a, b]',
    lastHeartbeatTime: 't2',
    lastTransitionTime: 't2',
  });
});

test('pods together may have what is not reserved: what is left for eviction as well', () => {
  const reserved = { kubeReserved: { memory: '1Gi', cpu: '1' }, systemReserved: { memory: '1Gi' } };
  assert.equal(podsMemoryMaxBytes({ memoryBytes: 8 * 1024 ** 3 }, reserved), 6 * 1024 ** 3);
  assert.equal(podsMemoryMaxBytes({ memoryBytes: 1024 ** 3 }, reserved), 0);
  const facts = { cpuCores: 2, memoryBytes: 8 * 1024 ** 3, pidsMax: 30_000 };
  const withPids = { ...reserved, systemReserved: { memory: '1Gi', cpu: '50m', pid: '1000' } };
  assert.deepEqual(podsShare(facts, withPids), {
    milliCpu: 950,
    memoryBytes: 6 * 1024 ** 3,
    pidsMax: 29_000,
  });
});

const machine: MachineFacts = {
  cpuCores: 4,
  memoryBytes: 1024 ** 3,
  ephemeralStorageBytes: 1024 ** 3,
  hugepagesBytes: {},
  architecture: '',
  kernelVersion: '',
  osImage: '',
  machineId: '',
  systemUuid: '',
  bootId: '',
  swapBytes: 0,
  hasAppArmor: false,
};

test('resources reserved for the system, or kept back for eviction, are not allocatable', () => {
  const gibibyte = 1024 ** 3;
  const { capacity, allocatable } = nodeResources(
    {
      ...machine,
      memoryBytes: 8 * gibibyte,
      ephemeralStorageBytes: 100 * gibibyte,
      hugepagesBytes: { '2Mi': gibibyte },
    },
    {
      kubeReserved: { cpu: '500m', memory: '1Gi' },
      systemReserved: {},
      evictionThresholds: [
        { signal: 'memory.available', minimum: 200 * 1024 ** 2, graceMs: 1 },
        ...defaultThresholds,
      ],
      podsMax: 110,
    },
    { 'example.com/gpu': { capacity: 2, allocatable: 1 } },
  );
  assert.equal(capacity.memory, '8Gi');
  assert.equal(allocatable.cpu, '3500m');
  assert.equal(allocatable.memory, `${6 * 1024 - 100}Mi`);
  assert.equal(allocatable['hugepages-2Mi'], '1Gi');
  assert.equal(allocatable['example.com/gpu'], '1');
});

test('what is reserved beyond what there is leaves nothing, not less than nothing', () => {
  const { allocatable } = nodeResources(
    machine,
    {
      kubeReserved: { cpu: '4', memory: '1Gi', 'ephemeral-storage': '2Gi' },
      systemReserved: { cpu: '1' },
      evictionThresholds: defaultThresholds,
      podsMax: 110,
    },
    {},
  );
  assert.deepEqual(allocatable, { cpu: '0', memory: '0', 'ephemeral-storage': '0', pods: '110' });
});
