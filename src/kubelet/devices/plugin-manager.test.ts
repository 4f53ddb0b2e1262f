import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Client, credentials, Server, status } from '@grpc/grpc-js';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
import { testPod } from '../pod.fixture.ts';
import { DevicePlugins } from './plugin-manager.ts';
import {
  type ContainerAllocateResponse,
  codec,
  type PluginDevice,
  type RegisterRequest,
} from './plugin-messages.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-kubelet-devices-'));
const stop = new AbortController();
const plugin = new Server();
after(() => {
  stop.abort();
  plugin.forceShutdown();
  rmSync(folder, { recursive: true });
});

const service = '/v1beta1.DevicePlugin';
let isRefusing = false;

/** A plugin with two good devices and a bad one; it tells containers which they got, and prefers the last ones. */
async function servePlugin(socket: string): Promise<void> {
  plugin.addService(
    {
      ListAndWatch: methodDefinition(codec, {
        path: `${service}/ListAndWatch`,
        request: 'Empty',
        answer: 'ListAndWatchResponse',
        streamsAnswers: true,
      }),
      Allocate: methodDefinition(codec, {
        path: `${service}/Allocate`,
        request: 'AllocateRequest',
        answer: 'AllocateResponse',
      }),
      GetPreferredAllocation: methodDefinition(codec, {
        path: `${service}/GetPreferredAllocation`,
        request: 'PreferredAllocationRequest',
        answer: 'PreferredAllocationResponse',
      }),
    },
    {
      ListAndWatch: (call: { write(message: { devices: PluginDevice[] }): void }) =>
        call.write({
          devices: [
            { ID: 'd1', health: 'Healthy', topology: { nodes: [{ ID: 1 }] } },
            { ID: 'd2', health: 'Healthy' },
            { ID: 'd3', health: 'Unhealthy' },
          ],
        }),
      GetPreferredAllocation: (
        call: { request: { containerRequests: { availableDeviceIDs: string[]; allocationSize: number }[] } },
        reply: (error: null, answer: { containerResponses: { deviceIDs: string[] }[] }) => void,
      ) =>
        reply(null, {
          containerResponses: call.request.containerRequests.map(
            ({ availableDeviceIDs, allocationSize }) => ({
              deviceIDs: availableDeviceIDs.slice(-allocationSize),
            }),
          ),
        }),
      Allocate: (
        call: { request: { containerRequests: { devicesIDs: string[] }[] } },
        reply: (
          error: { code: number; details: string } | null,
          answer?: { containerResponses: Partial<ContainerAllocateResponse>[] },
        ) => void,
      ) => {
        if (isRefusing) return reply({ code: status.UNKNOWN, details: 'no device today' });
        reply(null, {
          containerResponses: call.request.containerRequests.map(({ devicesIDs }) => ({
            envs: { DEVICES: devicesIDs.join(',') },
            devices: [{ containerPath: '/dev/x', hostPath: '/dev/null', permissions: 'rw' }],
          })),
        });
      },
    } as never,
  );
  await listenOnSocket(plugin, socket);
}

function register(request: RegisterRequest, at = folder): Promise<void> {
  const client = new Client(`unix://${join(at, 'kubelet.sock')}`, credentials.createInsecure());
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      '/v1beta1.Registration/Register',
      codec<RegisterRequest>('RegisterRequest').serialize,
      codec<object>('Empty').deserialize,
      request,
      (error) => {
        client.close();
        if (error) reject(error);
        else resolve();
      },
    ),
  );
}

const asking = (uid: string, count: number) => {
  const pod = testPod({
    containers: [{ name: 'c', resources: { limits: { 'example.com/dev': String(count) } } }],
  });
  return { ...pod, metadata: { ...pod.metadata, uid } };
};

/** In a folder of their own, when the plugin of the first test has registered and told its devices. */
async function pluginsAt(name: string): Promise<DevicePlugins> {
  const own = join(folder, name);
  const listed = Promise.withResolvers<void>();
  const devices = new DevicePlugins({ folder: own, logger: silentLogger, changed: listed.resolve });
  await devices.start(stop.signal);
  const endpoint = join(folder, 'plugin.sock');
  await register({ version: 'v1beta1', endpoint, resourceName: 'example.com/dev' }, own);
  await listed.promise;
  return devices;
}

test('a plugin registers, its devices count, are given out once each, and come back', async () => {
  const listed = Promise.withResolvers<void>();
  const counted: string[] = [];
  const metrics = {
    registered: (resource: string) => void counted.push(`registered ${resource}`),
    allocated: (resource: string) => void counted.push(`allocated ${resource}`),
  };
  const devices = new DevicePlugins({ folder, logger: silentLogger, changed: listed.resolve, metrics });
  await devices.start(stop.signal);
  await servePlugin(join(folder, 'plugin.sock'));
  await assert.rejects(register({ version: 'v2', endpoint: 'plugin.sock', resourceName: 'example.com/dev' }));
  await register({ version: 'v1beta1', endpoint: 'plugin.sock', resourceName: 'example.com/dev' });
  await listed.promise;
  assert.deepEqual(devices.resources(), { 'example.com/dev': { capacity: 3, allocatable: 2 } });

  const first = asking('u1', 1);
  const grant = await devices.allocate(first, first.spec.containers[0]!);
  assert.deepEqual(grant.envs, { DEVICES: 'd1' });
  assert.deepEqual(grant.devices, [{ containerPath: '/dev/x', hostPath: '/dev/null', permissions: 'rw' }]);
  assert.deepEqual((await devices.allocate(first, first.spec.containers[0]!)).envs, { DEVICES: 'd1' });
  assert.deepEqual(counted.slice(0, 2), ['registered example.com/dev', 'allocated example.com/dev']);
  const d1 = { resourceName: 'example.com/dev', id: 'd1', numaNodes: [1], isHealthy: true };
  assert.deepEqual(devices.ofContainer('u1', 'c'), [d1]);
  assert.deepEqual(devices.ofContainer('u1', 'another'), []);
  assert.deepEqual(devices.offered(), [d1, { ...d1, id: 'd2', numaNodes: [] }]);
  const second = asking('u2', 2);
  await assert.rejects(devices.allocate(second, second.spec.containers[0]!), /Requested: 2, Available: 1/);
  devices.release('u1');
  assert.deepEqual((await devices.allocate(second, second.spec.containers[0]!)).envs, { DEVICES: 'd1,d2' });
});

test('pods that start at the same time never get the same device', async () => {
  const devices = await pluginsAt('at-once');
  const grants = await Promise.all(
    ['u1', 'u2'].map((uid) => {
      const pod = asking(uid, 1);
      return devices.allocate(pod, pod.spec.containers[0]!);
    }),
  );
  assert.deepEqual(grants.map(({ envs }) => envs.DEVICES).sort(), ['d1', 'd2']);
});

test('a plugin that registers twice at once is followed once, by the later registration', async () => {
  const listed = Promise.withResolvers<void>();
  const own = join(folder, 'twice');
  const devices = new DevicePlugins({ folder: own, logger: silentLogger, changed: listed.resolve });
  await devices.start(stop.signal);
  const request = {
    version: 'v1beta1',
    endpoint: join(folder, 'plugin.sock'),
    resourceName: 'example.com/dev',
  };
  await Promise.all([register(request, own), register(request, own)]);
  await listed.promise;
  assert.deepEqual(devices.resources(), { 'example.com/dev': { capacity: 3, allocatable: 2 } });
});

test('a file of assignments that was cut off does not keep the node from starting', async () => {
  const own = join(folder, 'cut-off');
  mkdirSync(own);
  writeFileSync(join(own, 'assignments.json'), '{"containers":{"u1/c":{"example.com/dev":{"ids":["d');
  const devices = new DevicePlugins({ folder: own, logger: silentLogger, changed: () => undefined });
  await devices.start(stop.signal);
  assert.deepEqual(devices.resources(), {});
});

test('containers of a pod follow one another on its devices, and keep them while the plugin is away', async () => {
  const own = join(folder, 'init');
  mkdirSync(own);
  const resources = { limits: { 'example.com/dev': '1' } };
  const pod = testPod({
    initContainers: [
      { name: 'first', resources },
      { name: 'sidecar', restartPolicy: 'Always', resources },
    ],
    containers: [{ name: 'c', resources }],
  });
  const [first, sidecar] = pod.spec.initContainers!;
  const [main] = pod.spec.containers;
  const stopFirst = new AbortController();
  const listed = Promise.withResolvers<void>();
  const devices = new DevicePlugins({ folder: own, logger: silentLogger, changed: listed.resolve });
  await devices.start(stopFirst.signal);
  const endpoint = join(folder, 'plugin.sock');
  const options = { preStartRequired: false, getPreferredAllocationAvailable: true };
  await register({ version: 'v1beta1', endpoint, resourceName: 'example.com/dev', options }, own);
  await listed.promise;
  const idsOf = async (by: DevicePlugins, container: (typeof pod.spec.containers)[number]) =>
    (await by.allocate(pod, container)).envs.DEVICES;
  assert.equal(await idsOf(devices, first!), 'd2');
  assert.equal(await idsOf(devices, sidecar!), 'd2');
  assert.equal(await idsOf(devices, main!), 'd1');
  stopFirst.abort();

  const restarted = new DevicePlugins({ folder: own, logger: silentLogger, changed: () => undefined });
  await restarted.start(stop.signal);
  assert.deepEqual(restarted.resources(), { 'example.com/dev': { capacity: 0, allocatable: 0 } });
  assert.equal(await idsOf(restarted, main!), 'd1');
  await restarted.tidy((uid) => uid === pod.metadata.uid);
  assert.equal(await idsOf(restarted, main!), 'd1');
  const other = asking('u9', 1);
  await assert.rejects(restarted.allocate(other, other.spec.containers[0]!), /no healthy devices present/);
  await restarted.tidy(() => false);
  assert.deepEqual(restarted.ofContainer(pod.metadata.uid, 'c'), []);
});

test('a pod gets devices for all of its containers before it starts, or none of them', async () => {
  const devices = await pluginsAt('reserved');
  const nobody = () => false;
  const resources = { limits: { 'example.com/dev': '1' } };
  const containers = ['a', 'b', 'c'].map((name) => ({ name, resources }));
  const shortage =
    /^requested number of devices unavailable for example.com\/dev. Requested: 1, Available: 0$/;
  await assert.rejects(devices.reserve(testPod({ containers }), nobody), { message: shortage });
  await devices.reserve(asking('u1', 1), nobody);
  assert.deepEqual(
    devices.ofContainer('u1', 'c').map(({ id }) => id),
    ['d1'],
  );
  await assert.rejects(devices.reserve(asking('u2', 2), nobody), { message: /Available: 1$/ });
  await devices.reserve(asking('u2', 2), (uid) => uid === 'u1');
  assert.deepEqual(devices.ofContainer('u1', 'c'), []);
  assert.deepEqual(
    devices.ofContainer('u2', 'c').map(({ id }) => id),
    ['d1', 'd2'],
  );
});

test('what a plugin says when it refuses is told as upstream tells it', async () => {
  const devices = await pluginsAt('refusing');
  const pod = testPod({ containers: [{ name: 'c', resources: { limits: { 'example.com/dev': '2' } } }] });
  isRefusing = true;
  await assert.rejects(
    devices.reserve(pod, () => false),
    { message: 'rpc error: code = Unknown desc = no device today' },
  );
  isRefusing = false;
  await devices.reserve(pod, () => false);
});

test('the devices of a plugin that went away are unhealthy at first, and gone after five minutes', async () => {
  const own = join(folder, 'gone');
  const changes: (() => void)[] = [];
  const clock = new VirtualClock();
  const changed = () => changes.shift()?.();
  const next = () => new Promise<void>((resolve) => changes.push(resolve));
  const devices = new DevicePlugins({ folder: own, logger: silentLogger, changed, clock });
  await devices.start(stop.signal);
  const [listed, left] = [next(), next()];
  const short = new Server();
  const ListAndWatch = methodDefinition(codec, {
    path: `${service}/ListAndWatch`,
    request: 'Empty',
    answer: 'ListAndWatchResponse',
    streamsAnswers: true,
  });
  const two = { devices: ['a', 'b'].map((ID) => ({ ID, health: 'Healthy' })) };
  short.addService({ ListAndWatch }, {
    ListAndWatch: (call: { write(message: typeof two): void }) => call.write(two),
  } as never);
  await listenOnSocket(short, join(own, 'of-two.sock'));
  await register({ version: 'v1beta1', endpoint: 'of-two.sock', resourceName: 'example.com/two' }, own);
  await listed;
  assert.deepEqual(devices.resources(), { 'example.com/two': { capacity: 2, allocatable: 2 } });
  short.forceShutdown();
  await left;
  assert.deepEqual(devices.resources(), { 'example.com/two': { capacity: 2, allocatable: 0 } });
  await clock.advance(299_000);
  assert.equal(devices.resources()['example.com/two']?.capacity, 2);
  await clock.advance(2_000);
  assert.deepEqual(devices.resources(), { 'example.com/two': { capacity: 0, allocatable: 0 } });
});

test('a pod whose devices come from a claim takes none of a plugin', async () => {
  const devices = await pluginsAt('claimed');
  const pod = asking('claiming', 5);
  const mapping = { containerName: 'c', resourceName: 'example.com/dev', requestName: 'r' };
  const claiming = {
    ...pod,
    status: { extendedResourceClaimStatus: { resourceClaimName: 'claim', requestMappings: [mapping] } },
  };
  await devices.reserve(claiming, () => false);
  assert.deepEqual((await devices.allocate(claiming, pod.spec.containers[0]!)).envs, {});
  assert.deepEqual(devices.ofContainer('claiming', 'c'), []);
  await assert.rejects(
    devices.reserve(pod, () => false),
    /Requested: 5, Available: 2/,
  );
});
