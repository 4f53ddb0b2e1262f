/** What may be said in the status of pods, nodes and claims, and what happens to what a claim is filled from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentKind } from '../apps/deployment.ts';
import type { KindDefinition } from '../kinds/kind.ts';
import type { KubeObject } from '../meta.ts';
import { podDisruptionBudgetKind } from '../policy/pod-disruption-budget.ts';
import { nodeKind } from './node.ts';
import { persistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { podKind } from './pod.ts';
import { resourceQuotaKind } from './resource-quota.ts';
import { serviceAccountKind } from './service-account.ts';

const status = { subresource: 'status', isUpdate: true };

function said<T extends KubeObject>(kind: KindDefinition<T>, before: object, now: object): string[] {
  const [old, next] = [before, now].map((part) => ({ metadata: { name: 'x' }, ...part }) as T) as [T, T];
  return [...kind.validate(next, status), ...(kind.validateUpdate?.(next, old, status) ?? [])].map(
    ({ text }) => text,
  );
}

const spec = { restartPolicy: 'OnFailure', containers: [{ name: 'c' }] };
const ended = (exitCode: number) => ({
  containerStatuses: [{ name: 'c', state: { terminated: { exitCode } } }],
});
const running = { containerStatuses: [{ name: 'c', state: { running: {} } }] };

test('a container that succeeded does not run again, but one that failed may', () => {
  const change = (exitCode: number) =>
    said(podKind, { spec, status: ended(exitCode) }, { spec, status: running });
  assert.deepEqual(change(0), [
    'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
  ]);
  assert.deepEqual(change(1), []);
});

test("a container's own rules say whether it may run again", () => {
  const rules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [0] } }];
  const own = {
    ...spec,
    containers: [{ name: 'c', restartPolicy: 'Never', restartPolicyRules: rules }],
  };
  assert.deepEqual(said(podKind, { spec: own, status: ended(0) }, { spec: own, status: running }), []);
  assert.equal(said(podKind, { spec: own, status: ended(2) }, { spec: own, status: running }).length, 1);
});

const cases: [string, object, string[]][] = [
  [
    'conditions have qualified names',
    { conditions: [{ type: 'Ready' }, { type: 'my condition' }] },
    ['status.conditions[1].Type: Invalid value: "my condition"'],
  ],
  [
    'addresses are addresses, one of each family',
    { podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] },
    [
      'status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family',
    ],
  ],
  [
    'no address',
    { podIPs: [{ ip: 'a' }] },
    ['status.podIPs[0]: Invalid value: "a": must be a valid IP address'],
  ],
  [
    'the first of the addresses of its host is that of the host',
    { hostIP: '10.0.0.1', hostIPs: [{ ip: '10.0.0.2' }] },
    ['status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'],
  ],
  [
    'claims are those of the pod',
    { resourceClaimStatuses: [{ name: 'z' }] },
    ['status.resourceClaimStatuses[0].name: Invalid value: "z": must match the name of an entry'],
  ],
  [
    'health has a word of its own',
    {
      containerStatuses: [
        { name: 'z', allocatedResourcesStatus: [{ name: 'r', resources: [{ health: 'Fine' }] }] },
      ],
    },
    [
      'status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown"',
    ],
  ],
];
for (const [name, now, expected] of cases)
  test(`of a pod: ${name}`, () => {
    const texts = said(podKind, { spec, status: {} }, { spec, status: now });
    assert.equal(texts.length, expected.length, texts.join('\n'));
    for (const [index, text] of texts.entries()) assert.ok(text.startsWith(expected[index]!), text);
  });

test('a node declares its features in order, and has no address twice', () => {
  const address = { type: 'InternalIP', address: '10.0.0.1' };
  const now = { status: { declaredFeatures: ['B', 'A', 'A'], addresses: [address, address] } };
  assert.deepEqual(said(nodeKind, {}, now), [
    'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
    'status.declaredFeatures[2]: Duplicate value: "A"',
    'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}',
  ]);
});

test("the first of a node's ranges is the one that the single field says", () => {
  const node = {
    metadata: { name: 'n' },
    spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.2.0.0/24'] },
  } as never;
  nodeKind.defaults!(node);
  assert.deepEqual((node as { spec: object }).spec, { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] });
});

test('the status of a claim’s resize is about storage alone', () => {
  const claim = { spec: { accessModes: ['ReadWriteOnce'] } };
  assert.deepEqual(
    said(persistentVolumeClaimKind, claim, {
      ...claim,
      status: { capacity: { storage: '-1500m' }, allocatedResources: { cpu: '1' } },
    }),
    [
      'status.capacity[storage]: Invalid value: -2: must be a valid resource quantity',
      'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
    ],
  );
});

const pvc = { kind: 'PersistentVolumeClaim', name: 'other' };
const sources: [string, object, object][] = [
  ['an old client names a claim', { dataSource: pvc }, { dataSource: pvc, dataSourceRef: pvc }],
  [
    'no group is none',
    { dataSource: { ...pvc, apiGroup: null } },
    { dataSource: { ...pvc, apiGroup: null }, dataSourceRef: { ...pvc, apiGroup: null } },
  ],
  ['a new client names a claim', { dataSourceRef: pvc }, { dataSource: pvc, dataSourceRef: pvc }],
  ['what old servers did not know is dropped', { dataSource: { kind: 'Secret', name: 's' } }, {}],
  ['another namespace is behind a gate', { dataSourceRef: { ...pvc, namespace: 'n' } }, {}],
];
for (const [name, given, kept] of sources)
  test(`data source of a claim: ${name}`, () => {
    const claim = { metadata: { name: 'c' }, spec: structuredClone(given) };
    persistentVolumeClaimKind.prepareCreate!(claim as never);
    assert.deepEqual(claim.spec, kept);
  });

test('a scope narrows what it concerns; what is counted by its kind is counted anyway', () => {
  const quota = (hard: object, scope: string) =>
    said(resourceQuotaKind, { spec: { scopes: [scope] } }, { spec: { hard, scopes: [scope] } });
  assert.deepEqual(quota({ pods: '1', 'count/deployments.apps': '3' }, 'NotTerminating'), []);
  assert.deepEqual(quota({ services: '1', 'requests.storage': '1Gi' }, 'NotTerminating'), [
    'spec.scopes: Invalid value: ["NotTerminating"]: unsupported scope applied to resource',
    'spec.scopes: Invalid value: ["NotTerminating"]: unsupported scope applied to resource',
  ]);
  assert.deepEqual(quota({ 'requests.storage': '1Gi' }, 'VolumeAttributesClass'), []);
});

test('no count of a Deployment is more than all its replicas, though there is none', () => {
  assert.deepEqual(said(deploymentKind, {}, { status: { updatedReplicas: 1, unavailableReplicas: -1 } }), [
    'status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0',
    'status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas',
  ]);
});

test('a condition of a budget has all its parts', () => {
  const texts = said(podDisruptionBudgetKind, {}, { status: { conditions: [{ type: 'A', status: 'Yes' }] } });
  assert.deepEqual(texts, [
    'status.conditions[0].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"',
    'status.conditions[0].lastTransitionTime: Required value',
    'status.conditions[0].reason: Required value',
  ]);
});

test('a service account keeps of its Secrets their names alone', () => {
  const account = { metadata: { name: 'a' }, secrets: [{ name: 's', namespace: 'n', kind: 'Secret' }, {}] };
  serviceAccountKind.prepareCreate!(account as never);
  assert.deepEqual(account.secrets, [{ name: 's' }, {}]);
});
