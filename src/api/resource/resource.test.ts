import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { deviceClassKind } from './device-class.ts';
import { deviceTaintRuleKind } from './device-taint-rule.ts';
import { resourceClaimKind, resourceClaimTemplateKind } from './resource-claim.ts';
import { resourceSliceKind } from './resource-slice.ts';

const kinds = {
  DeviceClass: deviceClassKind,
  DeviceTaintRule: deviceTaintRuleKind,
  ResourceClaim: resourceClaimKind,
  ResourceClaimTemplate: resourceClaimTemplateKind,
  ResourceSlice: resourceSliceKind,
};

function problemsOf(kind: keyof typeof kinds, spec: unknown): string[] {
  const object = { metadata: { name: 'x' }, spec } as unknown as KubeObject;
  const validate = kinds[kind].validate as (typeof deviceClassKind)['validate'];
  return [...validate(object as never, { subresource: '' })].map(({ text }) =>
    text.replace(/ \(e\.g.*\)$/, ''),
  );
}

const label = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character`;
const subdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character`;
const reference = `must be the name of a request in the claim or the name of a request and a subrequest separated by '/'`;
const wanted = { deviceClassName: 'c', allocationMode: 'ExactCount', count: 1 };
const claimed = (exactly: object, rest: object = {}) => ({
  devices: { requests: [{ name: 'r', exactly: { ...wanted, ...exactly } }], ...rest },
});
const slice = (device: object, rest: object = {}) => ({
  driver: 'd.io',
  pool: { name: 'p', resourceSliceCount: 1 },
  nodeName: 'n',
  devices: [{ name: 'a', ...device }],
  ...rest,
});
const capacity = (requestPolicy: object) =>
  slice({ allowMultipleAllocations: true, capacity: { m: { value: '10', requestPolicy } } });

const cases: [string, keyof typeof kinds, unknown, string[]][] = [
  ['a sound claim', 'ResourceClaim', claimed({}), []],
  [
    'a class has a name, and a count is one at least',
    'ResourceClaim',
    claimed({ deviceClassName: 'A', count: 0 }),
    [
      `spec.devices.requests[0].exactly.deviceClassName: Invalid value: "A": ${subdomain}`,
      'spec.devices.requests[0].exactly.count: Invalid value: 0: must be greater than zero',
    ],
  ],
  [
    'selectors compile, and are about the device',
    'ResourceClaim',
    claimed({ selectors: [{}, { cel: { expression: 'device' } }, { cel: { expression: '' } }] }),
    [
      'spec.devices.requests[0].exactly.selectors[0].cel: Required value',
      'spec.devices.requests[0].exactly.selectors[1].cel.expression: Invalid value: "device": must evaluate to bool or the unknown type, not kubernetes.DRADevice',
      `spec.devices.requests[0].exactly.selectors[2].cel.expression: Invalid value: "": compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`,
    ],
  ],
  [
    'constraints and parameters are of requests that there are',
    'ResourceClaim',
    claimed({}, { constraints: [{ requests: ['z'] }], config: [{ requests: ['r', 'r'] }] }),
    [
      `spec.devices.constraints[0].requests[0]: Invalid value: "z": ${reference}`,
      'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
      'spec.devices.config[0].requests[1]: Duplicate value: "r"',
      'spec.devices.config[0].opaque: Required value',
    ],
  ],
  [
    'tolerations are of an effect that taints have',
    'ResourceClaim',
    claimed({ tolerations: [{ operator: 'Exists', value: 'v', effect: 'PreferNoSchedule' }] }),
    [
      'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`',
      'spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: "PreferNoSchedule": supported values: "NoExecute", "NoSchedule", "None"',
    ],
  ],
  [
    'a template gives labels and annotations, no name',
    'ResourceClaimTemplate',
    { metadata: { name: 'n', uid: 'u', labels: { a: 'b' } }, spec: claimed({}) },
    ['spec.metadata.name: Forbidden: cannot be set', 'spec.metadata.uID: Forbidden: cannot be set'],
  ],
  [
    'parameters are an object',
    'DeviceClass',
    { config: [{ opaque: { driver: '', parameters: [1] } }], extendedResourceName: 'cpu' },
    [
      'spec.config[0].opaque.driver: Required value',
      'spec.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
      'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
    ],
  ],
  [
    'a slice is of one place',
    'ResourceSlice',
    slice({}, { allNodes: true }),
    [
      'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
    ],
  ],
  [
    'attributes have one value each, and capacities their policy only where they are shared',
    'ResourceSlice',
    slice({ attributes: { a: {}, b: { version: '1' } }, capacity: { m: { value: '1', requestPolicy: {} } } }),
    [
      'spec.devices[0].attributes[a]: Invalid value: "": exactly one value must be specified',
      'spec.devices[0].attributes[b].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
      'spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true',
    ],
  ],
  [
    'taints, counters and conditions are complete',
    'ResourceSlice',
    slice({
      name: 'A',
      taints: [{ key: 'k' }],
      consumesCounters: [{ counterSet: 's' }],
      bindingConditions: ['c', 'c'],
    }),
    [
      `spec.devices[0].name: Invalid value: "A": ${label}`,
      'spec.devices[0].taints[0].effect: Required value',
      'spec.devices[0].consumesCounters[0].counters: Required value',
      'spec.devices[0].bindingConditions[1]: Duplicate value: "c"',
      'spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions',
    ],
  ],
  [
    'a rule taints, with an effect, devices that could be',
    'DeviceTaintRule',
    {
      deviceSelector: { driver: 'D_', pool: '', device: 'd.e' },
      taint: { key: 'k', value: '-', effect: 'Nothing' },
    },
    [
      `spec.deviceSelector.driver: Invalid value: "D_": ${subdomain}`,
      'spec.deviceSelector.pool: Required value',
      'spec.deviceSelector.device: Invalid value: "d.e": must not contain dots',
      `spec.taint.value: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
      'spec.taint.effect: Unsupported value: "Nothing": supported values: "NoExecute", "NoSchedule", "None"',
    ],
  ],
  [
    'amounts to choose from are in order, and the default is one of them',
    'ResourceSlice',
    capacity({ default: '3', validValues: ['4', '2', '20'] }),
    [
      'spec.devices[0].capacity[m].requestPolicy.validValues[1]: Invalid value: "2": values must be sorted in ascending order',
      'spec.devices[0].capacity[m].requestPolicy.validValues[2]: Invalid value: "20": option is larger than capacity value: 10',
      'spec.devices[0].capacity[m].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy',
    ],
  ],
  [
    'the default is within the range, some steps from its beginning',
    'ResourceSlice',
    capacity({ default: '5', validRange: { min: '2', max: '4', step: '2' } }),
    [
      'spec.devices[0].capacity[m].requestPolicy.validRange.max: Invalid value: "5": default is more than max: 4',
      'spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "5": value is not a multiple of a given step (2) from (2)',
    ],
  ],
];

for (const [name, kind, spec, expected] of cases)
  test(`${kind}: ${name}`, () => assert.deepEqual(problemsOf(kind, spec), expected));

test('a status speaks of devices that were allocated, and of users with a name', () => {
  const claim = {
    metadata: { name: 'x' },
    spec: claimed({}),
    status: {
      reservedFor: [{ resource: 'pods', name: '', uid: 'u' }],
      devices: [{ driver: 'd.io', pool: 'p', device: 'a' }],
    },
  } as unknown as Parameters<NonNullable<typeof resourceClaimKind.validateUpdate>>[0];
  const old = { metadata: { name: 'x' }, spec: claim.spec } as typeof claim;
  const errors = [...resourceClaimKind.validateUpdate!(claim, old, { subresource: 'status' })];
  assert.deepEqual(
    errors.map(({ text }) => text),
    [
      'status.reservedFor[0].name: Required value',
      'status.devices[0]: Invalid value: {"Driver":"d.io","Pool":"p","Device":"a","ShareID":""}: must be an allocated device in the claim',
      'status.reservedFor: Forbidden: may not be specified when `allocated` is not set',
    ],
  );
});
