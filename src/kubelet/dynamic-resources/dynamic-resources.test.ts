import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { notFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import { testPod } from '../pod.fixture.ts';
import { ClaimRecords } from './claim-records.ts';
import type { ClaimMessage, PreparedDevice } from './driver-messages.ts';
import { DynamicResources } from './dynamic-resources.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-claims-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

const never = new AbortController().signal;

const podOf = (uid: string, spec: Partial<core.PodSpec> = {}, status: core.PodStatus = {}): Pod => {
  const pod = testPod({ resourceClaims: [{ name: 'gpu', resourceClaimName: 'mine' }], ...spec }, status);
  return { ...pod, metadata: { ...pod.metadata, uid, name: `pod-${uid}` } };
};

const claimOf = (name: string, change: Partial<ResourceClaim['status']> = {}, users = ['p1', 'p2']) =>
  ({
    metadata: { namespace: 'ns', name, uid: `uid-of-${name}` },
    spec: {},
    status: {
      allocation: { devices: { results: [{ request: 'r', driver: 'd', pool: 'a', device: 'gpu-0' }] } },
      reservedFor: users.map((uid) => ({ resource: 'pods', name: `pod-${uid}`, uid })),
      ...change,
    },
  }) as ResourceClaim;

const deviceOf = (claim: string, driver: string, requestNames: string[] = []): PreparedDevice => ({
  requestNames,
  poolName: 'a',
  deviceName: 'gpu-0',
  cdiDeviceIds: [`${driver}/${claim}=0`],
});

/** A node whose drivers answer by `answers`; `asked`: the calls to them. */
async function createNode(claims: ResourceClaim[], file = join(folder, String(files++))) {
  const asked: string[] = [];
  const present = new Set(['d', 'e']);
  /** By driver; undefined: success. */
  const failures = new Map<string, string>();
  const tell = (driver: string, verb: string, messages: readonly ClaimMessage[]) =>
    asked.push(`${driver} ${verb} ${messages.map(({ name }) => name).join(' ')}`);
  const records = new ClaimRecords(file, silentLogger);
  await records.load();
  const took: string[] = [];
  const resources = new DynamicResources({
    client: {
      get: async (_: unknown, { name }: { name: string }) => {
        const found = claims.find(({ metadata }) => metadata.name === name);
        if (!found) throw notFound({ group: 'resource.k8s.io', plural: 'resourceclaims' }, name);
        return found;
      },
    } as Pick<Client, 'get'>,
    clock: systemClock,
    logger: silentLogger,
    records,
    took: (operation, outcome) => took.push(`${operation} ${outcome}`),
    drivers: {
      get(driver) {
        if (!present.has(driver)) throw new Error(`DRA driver ${driver} is not registered`);
        const error = () => failures.get(driver) ?? '';
        return {
          async prepare(messages) {
            tell(driver, 'prepare', messages);
            return Object.fromEntries(
              messages.map(({ uid, name }) => [uid, { devices: [deviceOf(name, driver)], error: error() }]),
            );
          },
          async unprepare(messages) {
            tell(driver, 'unprepare', messages);
            return Object.fromEntries(messages.map(({ uid }) => [uid, { error: error() }]));
          },
        };
      },
    },
  });
  return { resources, asked, present, failures, took, file };
}

test('a claim is made ready once for all pods that share it, and given back with the last', async () => {
  const { resources, asked, took } = await createNode([claimOf('mine')]);
  const [first, second] = [podOf('p1'), podOf('p2')];
  await Promise.all([resources.prepare(first, never), resources.prepare(second, never)]);
  assert.deepEqual(asked, ['d prepare mine']);
  assert.deepEqual(Object.fromEntries(resources.inUse()), { '<any>': 1, d: 1 });
  await resources.unprepare('p1');
  assert.deepEqual([resources.holds('p1'), resources.holds('p2')], [false, true]);
  await resources.unprepare('p1');
  await resources.unprepare('p2');
  assert.deepEqual(asked, ['d prepare mine', 'd unprepare mine']);
  assert.equal(resources.holds('p2'), false);
  assert.deepEqual(took.slice(0, 2), ['PrepareResources succeeded', 'PrepareResources succeeded']);
});

test('each driver is asked once for all claims of a pod', async () => {
  const both = {
    allocation: {
      devices: {
        results: ['d', 'e'].map((driver) => ({ request: 'r', driver, pool: 'a', device: 'gpu-0' })),
      },
    },
  };
  const { resources, asked } = await createNode([claimOf('mine'), claimOf('other', both)]);
  const pod = podOf('p1', {
    resourceClaims: [
      { name: 'gpu', resourceClaimName: 'mine' },
      { name: 'more', resourceClaimName: 'other' },
    ],
  });
  await resources.prepare(pod, never);
  assert.deepEqual(asked, ['d prepare mine other', 'e prepare other']);
  const idsFor = (...claims: core.ResourceClaim[]) =>
    resources.cdiDevicesOf(pod, { name: 'c', resources: { claims } });
  assert.deepEqual(idsFor({ name: 'gpu' }), ['d/mine=0']);
  assert.deepEqual(idsFor({ name: 'more' }, { name: 'gpu', request: 'r' }), [
    'd/other=0',
    'e/other=0',
    'd/mine=0',
  ]);
  assert.deepEqual(idsFor(), []);
});

const head = 'prepare dynamic resources: ';
const made = { name: 'gpu', resourceClaimTemplateName: 't' };
const refusals: [why: string, claims: ResourceClaim[], pod: Pod, message: string][] = [
  [
    'a claim is missing',
    [],
    podOf('p1'),
    'fetch ResourceClaim mine: resourceclaims.resource.k8s.io "mine" not found',
  ],
  [
    'a claim was not made yet',
    [],
    podOf('p1', { resourceClaims: [made] }),
    'pod "ns/pod-p1": ResourceClaim not created yet',
  ],
  [
    'a claim was made for somebody else',
    [claimOf('mine')],
    podOf(
      'p1',
      { resourceClaims: [made] },
      { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'mine' }] },
    ),
    'ResourceClaim ns/mine was not created for Pod ns/pod-p1 (Pod is not owner)',
  ],
  [
    'a claim is kept for others',
    [claimOf('mine', {}, ['p2'])],
    podOf('p1'),
    'pod pod-p1 (p1) is not allowed to use ResourceClaim mine (uid-of-mine)',
  ],
  [
    'a claim has no devices',
    [claimOf('mine', { allocation: undefined } as never)],
    podOf('p1'),
    'ResourceClaim mine: not allocated',
  ],
  [
    'a driver is away',
    [
      claimOf('mine', {
        allocation: { devices: { results: [{ request: 'r', driver: 'x', pool: 'a', device: 'b' }] } },
      }),
    ],
    podOf('p1'),
    'DRA driver x is not registered',
  ],
];
for (const [why, claims, pod, message] of refusals)
  test(`nothing is asked of any driver when ${why}`, async () => {
    const { resources, asked } = await createNode(claims);
    await assert.rejects(resources.prepare(pod, never), { message: head + message });
    assert.deepEqual([asked, resources.holds('p1')], [[], false]);
  });

test('devices that a driver failed to prepare are requested again, and unprepared all the same', async () => {
  const { resources, asked, failures, present } = await createNode([claimOf('mine')]);
  const pod = podOf('p1');
  failures.set('d', 'no such thing');
  await assert.rejects(resources.prepare(pod, never), {
    message: `${head}NodePrepareResources failed for ResourceClaim mine: no such thing`,
  });
  assert.equal(resources.holds('p1'), true);
  present.clear();
  await assert.rejects(resources.unprepare('p1'), {
    message: 'unprepare dynamic resources: DRA driver d is not registered',
  });
  present.add('d');
  await assert.rejects(resources.unprepare('p1'), {
    message:
      'unprepare dynamic resources: NodeUnprepareResources failed for ResourceClaim mine: no such thing',
  });
  failures.clear();
  await resources.prepare(pod, never);
  await resources.unprepare('p1');
  assert.deepEqual(asked.slice(-2), ['d prepare mine', 'd unprepare mine']);
  assert.equal(resources.holds('p1'), false);
});

test('a restarted kubelet knows the devices, asks again, and gives back what pods left', async () => {
  const claims = [claimOf('mine')];
  const before = await createNode(claims);
  const pod = podOf('p1');
  const container: core.Container = { name: 'c', resources: { claims: [{ name: 'gpu' }] } };
  await before.resources.prepare(pod, never);
  const after = await createNode(claims, before.file);
  assert.equal(after.resources.isPrepared(pod), true);
  assert.deepEqual(after.resources.cdiDevicesOf(pod, container), ['d/mine=0']);
  await after.resources.prepare(podOf('p2'), never);
  assert.deepEqual(after.asked, ['d prepare mine']);
  assert.deepEqual(after.resources.cdiDevicesOf(pod, container), ['d/mine=0'], 'not twice');
  await after.resources.tidy((uid) => uid === 'p1');
  assert.deepEqual([after.resources.holds('p1'), after.resources.holds('p2')], [true, false]);
  after.present.clear();
  await after.resources.tidy(() => false);
  assert.equal(after.resources.holds('p1'), true, 'its driver is away');
  after.present.add('d');
  await after.resources.tidy(() => false);
  assert.deepEqual(after.asked, ['d prepare mine', 'd unprepare mine']);
});

test('a pod whose claim a driver could not make ready is not taken for prepared, nor is it after a restart', async () => {
  const claims = [claimOf('mine')];
  const { resources, failures, file } = await createNode(claims);
  const pod = podOf('p1');
  failures.set('d', 'busy');
  await assert.rejects(resources.prepare(pod, never), /busy/);
  assert.equal(resources.isPrepared(pod), false);
  const after = await createNode(claims, file);
  assert.equal(after.resources.isPrepared(pod), false);
  await after.resources.prepare(pod, never);
  assert.equal(after.resources.isPrepared(pod), true);
});

test('a claim of the same name that another pod has left is not taken for the new one', async () => {
  const claims = [claimOf('mine')];
  const { resources, file } = await createNode(claims);
  await resources.prepare(podOf('p1'), never);
  const renewed = { ...claims[0]!, metadata: { ...claims[0]!.metadata, uid: 'other' } };
  const after = await createNode([renewed], file);
  await assert.rejects(after.resources.prepare(podOf('p2'), never), {
    message: `${head}old ResourceClaim with same name mine and different UID uid-of-mine still exists (previous pod force-deleted?!)`,
  });
});

test('a truncated file does not keep the node from starting: claims are prepared again', async () => {
  const file = join(folder, 'cut-off');
  writeFileSync(file, '[{"namespace":"ns","na');
  const { resources } = await createNode([claimOf('mine')], file);
  assert.equal(resources.isPrepared(podOf('p1')), false);
  await resources.prepare(podOf('p1'), never);
  assert.equal(resources.isPrepared(podOf('p1')), true);
});

test('a container sees the devices of the requests that it names, and those of its extended resources', async () => {
  const { resources } = await createNode([claimOf('mine'), claimOf('extended')]);
  const pod = podOf(
    'p1',
    {},
    {
      extendedResourceClaimStatus: {
        resourceClaimName: 'extended',
        requestMappings: [{ containerName: 'c', resourceName: 'example.com/gpu', requestName: 'r' }],
      },
    },
  );
  await resources.prepare(pod, never);
  const asking = (name: string): core.Container => ({
    name,
    resources: { requests: { 'example.com/gpu': '1' } },
  });
  assert.deepEqual(resources.cdiDevicesOf(pod, asking('c')), ['d/extended=0']);
  assert.deepEqual(resources.cdiDevicesOf(pod, asking('another')), []);
  assert.deepEqual(
    resources.claimsOf(pod, asking('c')).map(({ entry, record }) => [entry, record.name]),
    [[undefined, 'extended']],
  );
});
