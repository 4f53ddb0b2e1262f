/**
 * Devices: claims made for pods from a template, and for the extended resource that others want; one that pods share; and
 * taints that drive pods from broken devices.
 */
import type { Draft } from '../../../src/api/meta.ts';
import { isExtendedClaim } from '../../../src/api/resource/extended-resources.ts';
import {
  DeviceClass,
  DeviceTaintRule,
  Pod,
  ReplicaSet,
  ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
} from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { isPodTerminal } from '../../../src/controllers/pods/pod-state.ts';
import { replicaSetOf } from '../workloads.ts';
import { changeOf, type Rule, type World } from './history.ts';
import { eventually, find, modify, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

const driver = 'gpu.example.com';
const devicesPerNode = 3;
const shared = 'shared';
const sharers = ['left', 'right'];
const workload = 'work';
/** Its pods want a device as an extended resource. */
const wanting = 'want';
const resource = 'example.com/gpu';
const request = (tolerations: object[] = []) => ({
  requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', tolerations } }],
});
const tolerant = [{ key: 'example.com/broken', operator: 'Exists', effect: 'NoExecute' }];

export const devices: Scenario = {
  nodes: 2,
  controllers: [
    'replicaset',
    'podresourceclaim',
    'resourceclaim',
    'devicetainteviction',
    'devicetaintrulestatus',
  ],
  pauseMs: 6_000,
  rounds: 14,
  async begin({ client, nodes, checker }) {
    checker.expect(workload, { most: 3, fewest: 0 });
    checker.expect(wanting, { most: 2, fewest: 0 });
    await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: { extendedResourceName: resource } });
    for (const { name } of nodes) await client.create(ResourceSlice, sliceOf(name));
    await client.create(
      ResourceClaimTemplate,
      sparse<Draft<ResourceClaimTemplate>>({
        metadata: { name: 'gpu', namespace },
        spec: { spec: { devices: request() } },
      }),
    );
    await client.create(ReplicaSet, workers());
    await client.create(ReplicaSet, wanters());
    await client.create(ResourceClaim, sharedClaim());
    for (const name of sharers) await client.create(Pod, sharer(name));
  },
  changes: [
    scale,
    scale,
    removeOf(workload),
    removeOf(workload),
    removeOf(wanting),
    sharerComesOrGoes,
    renewSharer,
    renewSharer,
    claimGoes,
    taint,
    taint,
  ],
  async end(run) {
    const { client } = run;
    await breakOne(run);
    await eventually(run, 'pods leave broken devices', async () => (await onBroken(run)).length === 0);
    for (const rule of (await client.list(DeviceTaintRule)).items) await remove(run, DeviceTaintRule, rule);
    const claim = () => find(client, ResourceClaim, { metadata: { name: shared } });
    if ((await claim())?.metadata.deletionTimestamp) {
      for (const name of sharers) {
        const pod = await find(client, Pod, { metadata: { name } });
        if (pod) await remove(run, Pod, pod);
      }
      await eventually(run, 'the shared claim goes with its users', async () => !(await claim()));
    }
    if (!(await claim())) await client.create(ResourceClaim, sharedClaim());
    else if (run.random.next() < 0.5)
      for (const name of sharers) {
        const pod = await find(client, Pod, { metadata: { name } });
        if (pod) await remove(run, Pod, pod);
      }
  },
  async problems({ client }) {
    const { items: claims } = await client.list(ResourceClaim, { namespace });
    const { items: pods } = await client.list(Pod, { namespace });
    return [
      ...claims.flatMap((claim) => claimProblems(claim, pods)),
      ...pods.flatMap((pod) => podProblems(pod, claims)),
    ];
  },
  always: { of: [ResourceClaim, Pod, ReplicaSet], rule: devicesRule },
};

/** No device is given twice; no pod loses one that it uses; and pods that put up with a taint are let be. */
function devicesRule({ asked }: Run): Rule {
  return (change, world) => {
    const claim = changeOf(change, ResourceClaim);
    const pod = changeOf(change, Pod);
    return [
      ...(claim ? givenTwice(claim.object, world) : []),
      ...(claim ? takenFromUsers(claim.object, claim.isGone, world) : []),
      ...(pod && !pod.before?.metadata.deletionTimestamp && pod.object.metadata.deletionTimestamp
        ? drivenAway(pod.object, asked)
        : []),
    ];
  };
}

function devicesOf({ status }: ResourceClaim): string[] {
  return (status?.allocation?.devices?.results ?? []).map(({ pool, device }) => `${pool}/${device}`);
}

function givenTwice(claim: ResourceClaim, world: World): string[] {
  const given = world.all(ResourceClaim).flatMap(devicesOf);
  const twice = given.find((device, index) => given.indexOf(device) < index);
  return twice ? [`device ${twice} is given twice, at last to ${claim.metadata.name}`] : [];
}

/** A pod that is on a node and has not ended keeps its claims, and what they were given. */
function takenFromUsers(claim: ResourceClaim, isGone: boolean, world: World): string[] {
  const { name } = claim.metadata;
  return world
    .all(Pod)
    .filter((pod) => pod.spec?.nodeName && !isPodTerminal(pod) && claimNamesOf(pod).includes(name))
    .filter(
      ({ metadata }) =>
        isGone ||
        !claim.status?.allocation ||
        !claim.status.reservedFor?.some(({ uid }) => uid === metadata.uid),
    )
    .map(({ metadata }) => `claim ${name} was taken from pod ${metadata.name}`);
}

function drivenAway({ metadata: { name, uid }, status }: Pod, asked: ReadonlySet<string>): string[] {
  const why = status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason;
  return sharers.includes(name) && !asked.has(uid)
    ? [`${name} was driven away, though it tolerates: ${why}`]
    : [];
}

function claimNamesOf({ spec, status }: Pod): string[] {
  const named = (spec?.resourceClaims ?? []).flatMap(({ name, resourceClaimName }) => {
    const made = status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName;
    return resourceClaimName ?? made ?? [];
  });
  return [
    ...named,
    ...(status?.extendedResourceClaimStatus ? [status.extendedResourceClaimStatus.resourceClaimName] : []),
  ];
}

function sliceOf(nodeName: string): Draft<ResourceSlice> {
  return sparse<Draft<ResourceSlice>>({
    metadata: { name: nodeName },
    spec: {
      driver,
      nodeName,
      pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
      devices: Array.from({ length: devicesPerNode }, (_, index) => ({ name: `gpu-${index}` })),
    },
  });
}

function workers(): Draft<ReplicaSet> {
  const draft = replicaSetOf(workload, 2);
  const { template } = draft.spec!;
  const [container] = template!.spec!.containers;
  const spec = {
    ...template!.spec!,
    containers: [{ ...container!, resources: { claims: [{ name: 'device' }] } }],
    resourceClaims: [{ name: 'device', resourceClaimTemplateName: 'gpu' }],
  };
  return { ...draft, spec: { ...draft.spec!, template: { ...template, spec } } } as Draft<ReplicaSet>;
}

function wanters(): Draft<ReplicaSet> {
  const draft = replicaSetOf(wanting, 1);
  const { template } = draft.spec!;
  const [container] = template!.spec!.containers;
  const containers = [{ ...container!, resources: { limits: { [resource]: '1' } } }];
  const spec = { ...template!.spec!, containers };
  return { ...draft, spec: { ...draft.spec!, template: { ...template, spec } } } as Draft<ReplicaSet>;
}

function sharedClaim(): Draft<ResourceClaim> {
  return sparse<Draft<ResourceClaim>>({
    metadata: { name: shared, namespace },
    spec: { devices: request(tolerant) },
  });
}

function sharer(name: string): Draft<Pod> {
  return sparse<Draft<Pod>>({
    metadata: { name, namespace },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'web:1', resources: { claims: [{ name: 'device' }] } }],
      resourceClaims: [{ name: 'device', resourceClaimName: shared }],
    },
  });
}

async function scale({ client, random }: Run): Promise<void> {
  const name = random.next() < 0.7 ? workload : wanting;
  const replicas = Math.floor(random.next() * (name === workload ? 4 : 3));
  const metadata = { name };
  await modify(client, ReplicaSet, { metadata }, (set) => ({ ...set, spec: { ...set.spec!, replicas } }));
}

function removeOf(app: string): (run: Run) => Promise<void> {
  return async (run) => {
    const { items } = await run.client.list(Pod, { namespace, labelSelector: `app=${app}` });
    const pod = items.find(({ metadata }) => !metadata.deletionTimestamp);
    if (pod) await remove(run, Pod, pod);
  };
}

async function sharerComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, sharers);
  const present = await find(client, Pod, { metadata: { name } });
  if (!present) await client.create(Pod, sharer(name));
  else if (!present.metadata.deletionTimestamp) await remove(run, Pod, present);
}

/** Another pod takes the name the moment that it is free. */
async function renewSharer(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const name = pick(random, sharers);
  const present = () => find(client, Pod, { metadata: { name } });
  const before = await present();
  if (before) await remove(run, Pod, before);
  for (let waitedMs = 0; waitedMs < 3_000 && (await present()); waitedMs += 50) await clock.advance(50);
  if (!(await present())) await client.create(Pod, sharer(name));
}

/** Once its users are gone; another may be made by then. */
async function claimGoes(run: Run): Promise<void> {
  const present = await find(run.client, ResourceClaim, { metadata: { name: shared } });
  if (!present) await run.client.create(ResourceClaim, sharedClaim());
  else if (!present.metadata.deletionTimestamp) await remove(run, ResourceClaim, present);
}

/** A device breaks, or is mended. */
async function taint(run: Run): Promise<void> {
  const { client, random, nodes } = run;
  const { name: pool } = pick(random, nodes);
  const device = `gpu-${Math.floor(random.next() * devicesPerNode)}`;
  const metadata = { name: `${pool}-${device}` };
  const present = await find(client, DeviceTaintRule, { metadata });
  if (present) return await remove(run, DeviceTaintRule, present);
  await client.create(DeviceTaintRule, ruleOf(pool, device));
}

/** A device that a pod of the workload uses, if there is one. */
async function breakOne({ client }: Run): Promise<void> {
  const { items } = await client.list(ResourceClaim, { namespace });
  const used = items.find((claim) => mayBeLeft(claim) && claim.status?.reservedFor?.length);
  const [pool = '', device = ''] = (used ? devicesOf(used)[0] : undefined)?.split('/') ?? [];
  const metadata = { name: `${pool}-${device}` };
  if (pool && !(await find(client, DeviceTaintRule, { metadata })))
    await client.create(DeviceTaintRule, ruleOf(pool, device));
}

/** Those who share a claim tolerate taints; and nothing drives a pod from the devices of an extended resource, as upstream. */
function mayBeLeft(claim: ResourceClaim): boolean {
  return claim.metadata.name !== shared && !isExtendedClaim(claim);
}

function ruleOf(pool: string, device: string): Draft<DeviceTaintRule> {
  return sparse<Draft<DeviceTaintRule>>({
    metadata: { name: `${pool}-${device}` },
    spec: {
      deviceSelector: { driver, pool, device },
      taint: { key: 'example.com/broken', value: 'yes', effect: 'NoExecute' },
    },
  });
}

/** Names of pods on devices whose taint they do not tolerate. */
async function onBroken({ client }: Run): Promise<string[]> {
  const { items: rules } = await client.list(DeviceTaintRule);
  const broken = new Set(
    rules.map(({ spec }) => `${spec.deviceSelector?.pool}/${spec.deviceSelector?.device}`),
  );
  const { items: claims } = await client.list(ResourceClaim, { namespace });
  return claims
    .filter(mayBeLeft)
    .filter((claim) => devicesOf(claim).some((device) => broken.has(device)))
    .flatMap(({ status }) => (status?.reservedFor ?? []).map(({ name }) => name));
}

function claimProblems(claim: ResourceClaim, pods: readonly Pod[]): string[] {
  const { name, ownerReferences = [] } = claim.metadata;
  const users = (claim.status?.reservedFor ?? []).map(({ uid }) => uid);
  const wanted = pods.filter((pod) => claimNamesOf(pod).includes(name)).map(({ metadata }) => metadata.uid);
  const owner = ownerReferences[0];
  const hasOwner = pods.some(({ metadata }) => metadata.uid === owner?.uid);
  return [
    ...(owner && !hasOwner ? [`claim ${name} has outlived its pod`] : []),
    ...(users.sort().join() === wanted.sort().join()
      ? []
      : [`claim ${name} is reserved for ${users}, not ${wanted}`]),
    ...(users.length === 0 && devicesOf(claim).length > 0
      ? [`claim ${name} keeps a device that nobody uses`]
      : []),
  ];
}

/** Each pod runs, with claims of its own. */
function podProblems(pod: Pod, claims: readonly ResourceClaim[]): string[] {
  const { name, uid } = pod.metadata;
  const own = claims.filter(({ metadata }) => metadata.ownerReferences?.[0]?.uid === uid);
  const wanted = (pod.spec?.resourceClaims ?? [])
    .filter(({ resourceClaimTemplateName }) => resourceClaimTemplateName)
    .map(({ name }) => name);
  if (pod.metadata.labels?.app === wanting) wanted.push(resource);
  return [
    ...(pod.status?.phase === 'Running' ? [] : [`${name} is ${pod.status?.phase}`]),
    ...(own.length === wanted.length ? [] : [`${name} has ${own.length} claims, not ${wanted.length}`]),
  ];
}
