import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceClass, DeviceTaintRule, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import type {
  AllocationResult,
  CapacityRequestPolicy,
  Device,
  DeviceClaim,
} from '../../api/types/resource-v1.gen.ts';
import type { DeviceTaintSelector } from '../../api/types/resource-v1beta2.gen.ts';
import { makeNode } from '../objects.fake.ts';
import { allocateDevices } from './device-allocation.ts';
import { DeviceOffer } from './device-pools.ts';
import { sharesInUse } from './shared-capacity.ts';

const driver = 'gpu.example.com';

function gpu(name: string, model: string, memory: string, more: Partial<Device> = {}): Device {
  return {
    name,
    attributes: { model: { string: model }, 'other.com/numa': { int: Number(name.at(-1)) % 2 } },
    capacity: { memory: { value: memory } },
    ...more,
  };
}

const devices = [gpu('gpu-0', 'small', '8Gi'), gpu('gpu-1', 'big', '80Gi'), gpu('gpu-2', 'big', '40Gi')];

function slice(parts: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  const pool = { name: 'a', generation: 1, resourceSliceCount: 1 };
  return {
    metadata: { name: 's' },
    spec: { driver, nodeName: 'a', pool, devices, ...parts },
  } as ResourceSlice;
}

const classes: Record<string, Partial<DeviceClass['spec']>> = {
  gpu: { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }] },
  nic: { selectors: [{ cel: { expression: 'device.driver == "nic.example.com"' } }] },
};

interface Trial {
  slices?: ResourceSlice[];
  /** Of devices that rules taint. */
  selectors?: (DeviceTaintSelector | undefined)[];
  inUse?: string[];
  /** Allocations of other claims. */
  held?: AllocationResult[];
  node?: string;
}

/** Names of the devices for each claim; undefined: refused. */
function allocate(
  claims: DeviceClaim[],
  { slices = [slice()], selectors = [], inUse = [], held = [], node = 'a' }: Trial = {},
) {
  const found = allocateDevices(
    claims.map(
      (spec) => ({ metadata: { name: 'c', namespace: 'ns' }, spec: { devices: spec } }) as ResourceClaim,
    ),
    makeNode(node, { labels: { zone: 'z' } }),
    {
      offer: new DeviceOffer(slices, selectors.map(taintRule)),
      inUse: new Set(inUse.map((name) => `${driver}/a/${name}`)),
      shares: sharesInUse(held),
      newShareId: () => 'share',
      classOf: (name) => classes[name] && ({ metadata: { name }, spec: classes[name] } as DeviceClass),
    },
  );
  return found?.map((one) =>
    one
      .devices!.results!.map(
        ({ request, device, shareID, consumedCapacity }) =>
          `${request}=${device}${shareID ? `/${shareID}${Object.values(consumedCapacity ?? {})}` : ''}`,
      )
      .join(' '),
  );
}

function taintRule(deviceSelector: DeviceTaintSelector | undefined): DeviceTaintRule {
  const taint = { key: 'broken', effect: 'NoExecute' as const };
  return {
    metadata: { name: 'rule' },
    spec: { ...(deviceSelector && { deviceSelector }), taint },
  } as DeviceTaintRule;
}

const exactly = (more: object = {}, name = 'r') => ({
  name,
  exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount' as const, count: 1, ...more },
});
const where = (expression: string) => ({ selectors: [{ cel: { expression } }] });
const model = (name: string) => where(`device.attributes["${driver}"].model == "${name}"`);
const all = { allocationMode: 'All' as const, count: undefined };
const parts = (name: string, value: string) =>
  gpu(name, 'part', '1Gi', { consumesCounters: [{ counterSet: 'c', counters: { memory: { value } } }] });
const partitioned = slice({
  devices: [parts('whole-0', '40Gi'), parts('half-0', '20Gi'), parts('half-1', '20Gi')],
  sharedCounters: [{ name: 'c', counters: { memory: { value: '40Gi' } } }],
});
const tainted = slice({
  devices: [gpu('gpu-0', 'x', '1', { taints: [{ key: 'broken', effect: 'NoSchedule' }] })],
});
const sharing = (
  name: string,
  requestPolicy: CapacityRequestPolicy,
  value = '8Gi',
  more: Partial<Device> = {},
) =>
  gpu(name, 'shared', value, {
    allowMultipleAllocations: true,
    capacity: { memory: { value, requestPolicy } },
    ...more,
  });
const range = { default: '1Gi', validRange: { min: '1Gi', max: '6Gi', step: '2Gi' } };
const ranged = slice({ devices: [sharing('gpu-0', range)] });
const oneOf = slice({ devices: [sharing('gpu-0', { default: '2Gi', validValues: ['2Gi', '4Gi'] })] });
const two = slice({ devices: [sharing('gpu-0', range), sharing('gpu-1', range)] });
const counted = slice({
  devices: [0, 1].map((at) =>
    sharing(`gpu-${at}`, {}, '8Gi', {
      consumesCounters: [{ counterSet: 'c', counters: { slots: { value: '1' } } }],
    }),
  ),
  sharedCounters: [{ name: 'c', counters: { slots: { value: '1' } } }],
});
const memory = (amount: string) => ({ capacity: { requests: { memory: amount } } });
const share = (amount: string): AllocationResult => ({
  devices: {
    results: [
      {
        request: 'r',
        driver,
        pool: 'a',
        device: 'gpu-0',
        shareID: 's',
        consumedCapacity: { memory: amount },
      },
    ],
  },
});
const pool = (generation: number, resourceSliceCount = 1) => ({ name: 'a', generation, resourceSliceCount });

const cases: [
  what: string,
  claims: DeviceClaim[],
  trial: Trial | undefined,
  expected: string[] | undefined,
][] = [
  ['one of a class', [{ requests: [exactly()] }], {}, ['r=gpu-0']],
  ['none of another', [{ requests: [exactly({ deviceClassName: 'nic' })] }], {}, undefined],
  ['none of a class that is not there', [{ requests: [exactly({ deviceClassName: 'x' })] }], {}, undefined],
  ['what is in use is passed over', [{ requests: [exactly()] }], { inUse: ['gpu-0', 'gpu-1'] }, ['r=gpu-2']],
  ['by attribute', [{ requests: [exactly(model('big'))] }], {}, ['r=gpu-1']],
  [
    'by capacity',
    [
      {
        requests: [
          exactly(
            where(
              `device.capacity["${driver}"].memory.compareTo(quantity("16Gi")) > 0 && device.attributes["${driver}"].model != "none"`,
            ),
          ),
        ],
      },
    ],
    { inUse: ['gpu-1'] },
    ['r=gpu-2'],
  ],
  [
    'a domain that a device does not have is empty',
    [{ requests: [exactly(where('has(device.attributes["no.example.com"].x)'))] }],
    {},
    undefined,
  ],
  ['several', [{ requests: [exactly({ count: 2 })] }], {}, ['r=gpu-0 r=gpu-1']],
  ['more than there are', [{ requests: [exactly({ count: 4 })] }], {}, undefined],
  ['all', [{ requests: [exactly({ ...all, ...model('big') })] }], {}, ['r=gpu-1 r=gpu-2']],
  [
    'all, of which one is in use',
    [{ requests: [exactly({ ...all, ...model('big') })] }],
    { inUse: ['gpu-2'] },
    undefined,
  ],
  [
    'two claims share nothing',
    [{ requests: [exactly()] }, { requests: [exactly()] }],
    {},
    ['r=gpu-0', 'r=gpu-1'],
  ],
  [
    'an earlier request gives way to a later one',
    [{ requests: [exactly({}, 'any'), exactly(model('small'), 'small')] }],
    {},
    ['any=gpu-1 small=gpu-0'],
  ],
  [
    'the first of several alternatives that can be had',
    [
      {
        requests: [
          {
            name: 'r',
            firstAvailable: [
              { name: 'huge', deviceClassName: 'gpu', count: 1, ...model('huge') },
              { name: 'two', deviceClassName: 'gpu', count: 2, ...model('big') },
            ],
          },
        ],
      },
    ],
    {},
    ['r/two=gpu-1 r/two=gpu-2'],
  ],
  [
    'devices that have an attribute in common',
    [{ requests: [exactly({ count: 2 })], constraints: [{ matchAttribute: `${driver}/model` }] }],
    {},
    ['r=gpu-1 r=gpu-2'],
  ],
  [
    'devices that differ in an attribute',
    [{ requests: [exactly({ count: 2 })], constraints: [{ distinctAttribute: 'other.com/numa' }] }],
    { inUse: ['gpu-0'] },
    ['r=gpu-1 r=gpu-2'],
  ],
  [
    'none when too few have it in common',
    [
      {
        requests: [exactly({ count: 3 })],
        constraints: [{ matchAttribute: `${driver}/model`, requests: ['r'] }],
      },
    ],
    {},
    undefined,
  ],
  [
    'one of many to look at, though it is in use',
    [{ requests: [exactly({ adminAccess: true })] }],
    { inUse: ['gpu-0'] },
    ['r=gpu-0'],
  ],
  ['not from another node', [{ requests: [exactly()] }], { node: 'b' }, undefined],
  [
    'from all nodes',
    [{ requests: [exactly()] }],
    { slices: [slice({ nodeName: undefined as never, allNodes: true })], node: 'b' },
    ['r=gpu-0'],
  ],
  [
    'from nodes with a label',
    [{ requests: [exactly()] }],
    {
      slices: [
        slice({
          nodeName: undefined as never,
          nodeSelector: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['z'] }] }],
          },
        }),
      ],
      node: 'b',
    },
    ['r=gpu-0'],
  ],
  [
    'of the newest generation alone',
    [{ requests: [exactly(model('small'))] }],
    { slices: [slice(), slice({ pool: pool(2), devices: [devices[1]!] })] },
    undefined,
  ],
  [
    'not of a pool that is incomplete',
    [{ requests: [exactly()] }],
    { slices: [slice({ pool: pool(1, 2) })] },
    undefined,
  ],
  ['not a tainted one', [{ requests: [exactly()] }], { slices: [tainted] }, undefined],
  [
    'a tainted one that is tolerated',
    [{ requests: [exactly({ tolerations: [{ key: 'broken', operator: 'Exists' }] })] }],
    { slices: [tainted] },
    ['r=gpu-0'],
  ],
  [
    'not one that a rule taints',
    [{ requests: [exactly()] }],
    { slices: [slice()], selectors: [{ driver, device: 'gpu-0' }] },
    ['r=gpu-1'],
  ],
  ['an empty selector means all', [{ requests: [exactly()] }], { selectors: [{}] }, undefined],
  [
    'rules without a selector, or for another pool, mean none',
    [{ requests: [exactly()] }],
    { selectors: [undefined, { pool: 'b' }] },
    ['r=gpu-0'],
  ],
  [
    'parts of one device',
    [{ requests: [exactly({ count: 2 })] }],
    { slices: [partitioned] },
    ['r=half-0 r=half-1'],
  ],
  [
    'no part of what is taken as a whole',
    [{ requests: [exactly()] }],
    { slices: [partitioned], inUse: ['whole-0'] },
    undefined,
  ],
  [
    'a device of which several claims take a portion each',
    ['3Gi', '5Gi'].map((amount) => ({ requests: [exactly(memory(amount))] })),
    { slices: [ranged] },
    ['r=gpu-0/share3Gi', 'r=gpu-0/share5Gi'],
  ],
  [
    'a portion that is no step is the next one, and none asked for is the default',
    ['512Mi', '1025Mi', undefined].map((amount) => ({ requests: [exactly(amount ? memory(amount) : {})] })),
    { slices: [ranged] },
    ['r=gpu-0/share1Gi', 'r=gpu-0/share3Gi', 'r=gpu-0/share1Gi'],
  ],
  [
    'a portion that is no valid value is the next one',
    [{ requests: [exactly(memory('3Gi'))] }],
    { slices: [oneOf] },
    ['r=gpu-0/share4Gi'],
  ],
  ['more than any valid value', [{ requests: [exactly(memory('5Gi'))] }], { slices: [oneOf] }, undefined],
  ['more than the range allows', [{ requests: [exactly(memory('6Gi'))] }], { slices: [ranged] }, undefined],
  [
    'what other claims have of a device is not there',
    [{ requests: [exactly(memory('3Gi'))] }],
    { slices: [ranged], held: [share('3Gi'), share('3Gi')] },
    undefined,
  ],
  [
    'a device with too little left is passed over',
    [{ requests: [exactly(memory('3Gi'))] }],
    { slices: [two], held: [share('6Gi')] },
    ['r=gpu-1/share3Gi'],
  ],
  [
    'one request never takes a device twice, another request of the claim may',
    [{ requests: [exactly({ count: 2 }), exactly({}, 's')] }],
    { slices: [two] },
    ['r=gpu-0/share1Gi r=gpu-1/share1Gi s=gpu-0/share1Gi'],
  ],
  [
    'all of those with room',
    [{ requests: [exactly({ ...all, ...memory('3Gi') })] }],
    { slices: [two], held: [share('6Gi')] },
    ['r=gpu-1/share3Gi'],
  ],
  [
    'a shared device consumes its counters once',
    ['4Gi', '4Gi'].map((amount) => ({ requests: [exactly(memory(amount))] })),
    { slices: [counted] },
    ['r=gpu-0/share4Gi', 'r=gpu-0/share4Gi'],
  ],
  [
    'a shared device that is used has consumed its counters',
    [{ requests: [exactly(memory('4Gi'))] }],
    { slices: [counted], held: [share('8Gi')] },
    undefined,
  ],
  [
    'capacity asked of a device that is not shared only chooses it',
    [{ requests: [exactly(memory('16Gi'))] }],
    {},
    ['r=gpu-1'],
  ],
  [
    'capacity that no device has',
    [{ requests: [exactly({ capacity: { requests: { none: '1' } } })] }],
    {},
    undefined,
  ],
];

for (const [what, claims, trial, expected] of cases)
  test(`devices for claims: ${what}`, () => assert.deepEqual(allocate(claims, trial), expected));

test('a device that is in use, or stands behind one that fits, is not asked', () => {
  const [first, ...others] = devices;
  const { model: _, ...unnamed } = first!.attributes!;
  const wish = [{ requests: [exactly(model('big'))] }];
  const nameless = { ...first!, attributes: unnamed };
  const ahead = [slice({ devices: [nameless, ...others] })];
  assert.deepEqual(allocate(wish, { slices: ahead, inUse: ['gpu-0'] }), ['r=gpu-1']);
  assert.throws(() => allocate(wish, { slices: ahead }), /CEL runtime error: no such key/);
  const behind = [slice({ devices: [...others, nameless] })];
  assert.deepEqual(allocate(wish, { slices: behind }), ['r=gpu-1']);
});

test('a selector that fails says why', () => {
  assert.throws(
    () => allocate([{ requests: [exactly(where(`device.attributes["${driver}"].none == 1`))] }]),
    /^CelError: claim ns\/c: selector #0: CEL runtime error: no such key/,
  );
});

test('pools are tried by driver and name, and those whose devices must be prepared last', () => {
  const conditions = { bindingConditions: ['Attached'], bindingFailureConditions: ['Failed'] };
  const pool = (name: string, device: Device, more: Partial<ResourceSlice['spec']> = {}) =>
    slice({ pool: { name, generation: 1, resourceSliceCount: 1 }, devices: [device], ...more });
  const { nodeName: _, ...anywhere } = slice({ allNodes: true }).spec;
  const slices = [
    pool('a', gpu('gpu-0', 'x', '1', conditions)),
    pool('c', gpu('gpu-1', 'x', '1')),
    {
      ...slice(),
      spec: { ...anywhere, ...pool('b', gpu('gpu-2', 'x', '1')).spec, nodeName: undefined },
    } as unknown as ResourceSlice,
  ];
  assert.deepEqual(allocate([{ requests: [exactly()] }], { slices }), ['r=gpu-2']);
  assert.deepEqual(allocate([{ requests: [exactly({ count: 3 })] }], { slices }), [
    'r=gpu-2 r=gpu-1 r=gpu-0',
  ]);
});

test('an allocation says under which conditions a pod may be bound, and on which node a device is then', () => {
  const conditions = { bindingConditions: ['Attached'], bindingFailureConditions: ['Failed'] };
  const everywhere = (device: Partial<Device>) => {
    const { nodeName: _, ...spec } = slice({ devices: [gpu('gpu-0', 'x', '1', device)] }).spec;
    return { metadata: { name: 's' }, spec: { ...spec, allNodes: true } } as ResourceSlice;
  };
  const allocationOf = (device: Partial<Device>) =>
    allocateDevices(
      [
        { metadata: { name: 'c', namespace: 'ns' }, spec: { devices: { requests: [exactly()] } } },
      ] as ResourceClaim[],
      makeNode('a'),
      {
        offer: new DeviceOffer([everywhere(device)]),
        inUse: new Set(),
        shares: [],
        newShareId: () => 'share',
        classOf: (name) => ({ metadata: { name }, spec: classes[name] }) as DeviceClass,
      },
    )![0]!;
  assert.equal(allocationOf({}).nodeSelector, undefined);
  const bound = allocationOf({ ...conditions, bindsToNode: true });
  assert.deepEqual(bound.nodeSelector?.nodeSelectorTerms, [
    { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
  ]);
  const { bindingConditions, bindingFailureConditions } = bound.devices!.results![0]!;
  assert.deepEqual({ bindingConditions, bindingFailureConditions }, conditions);
});
