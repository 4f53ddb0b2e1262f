import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../base/async/until.fixture.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { type FakeDriver, serveDriver } from './driver.fake.ts';
import type { ClaimMessage } from './driver-messages.ts';
import { ClaimDrivers } from './drivers.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-claim-drivers-'));
after(() => rmSync(folder, { recursive: true }));

const claim: ClaimMessage = { namespace: 'ns', uid: 'u1', name: 'mine' };
const device = { requestNames: ['r'], poolName: 'pool', deviceName: 'gpu-0', cdiDeviceIds: ['a.b/c=0'] };
const fake = (change: Partial<FakeDriver> = {}): FakeDriver => ({
  prepare: (claims) => Object.fromEntries(claims.map(({ uid }) => [uid, { devices: [device], error: '' }])),
  unprepare: (claims) => Object.fromEntries(claims.map(({ uid }) => [uid, { error: '' }])),
  ...change,
});

function createDrivers() {
  const stop = new AbortController();
  const changes: string[] = [];
  const calls: string[] = [];
  const healths: (number | undefined)[] = [];
  const drivers = new ClaimDrivers({
    clock: systemClock,
    logger: silentLogger,
    signal: stop.signal,
    changed: (driver, state) => changes.push(`${driver} ${state}`),
    called: ({ method, code }) => calls.push(`${method} ${code}`),
    health: (_, devices) => healths.push(devices?.[0]?.health),
  });
  const register = (endpoint: string, supportedVersions = ['v1.DRAPlugin']) =>
    drivers.register({ type: 'DRAPlugin', name: 'd', endpoint, supportedVersions });
  return { drivers, register, changes, calls, healths, stop };
}

test('a driver is asked in the first version of its list that is known', async () => {
  const { drivers, register, calls, stop } = createDrivers();
  const endpoint = join(folder, 'versions.sock');
  const served = await serveDriver(endpoint, fake({ service: 'v1beta1.DRAPlugin' }));
  await register(endpoint, ['v9.DRAPlugin', 'v1beta1.DRAPlugin', 'v1.DRAPlugin']);
  assert.deepEqual(await drivers.get('d').prepare([claim]), { u1: { devices: [device], error: '' } });
  assert.deepEqual(await drivers.get('d').unprepare([claim]), { u1: { error: '' } });
  assert.deepEqual(calls, [
    '/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/NodePrepareResources OK',
    '/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/NodeUnprepareResources OK',
  ]);
  stop.abort();
  served.stop();
});

test('the share of a device is passed on, and absent where a driver gives none', async () => {
  const { drivers, register, stop } = createDrivers();
  const endpoint = join(folder, 'shares.sock');
  const shared = { ...device, shareId: 's' };
  const served = await serveDriver(
    endpoint,
    fake({ prepare: () => ({ u1: { devices: [shared, device], error: '' } }) }),
  );
  await register(endpoint);
  assert.deepEqual((await drivers.get('d').prepare([claim])).u1!.devices, [shared, device]);
  stop.abort();
  served.stop();
});

test('unusable plugins are refused with the reason', async () => {
  const { drivers, register, stop } = createDrivers();
  const head = 'invalid supported gRPC versions of DRA driver plugin d at endpoint /x: ';
  const none =
    'none of services supported by the plugin (["v9.DRAPlugin"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])';
  await assert.rejects(register('/x', ['v9.DRAPlugin']), { message: head + none });
  await assert.rejects(register('/x', []), {
    message: `${head}empty list of supported gRPC services (aka supported versions)`,
  });
  assert.throws(() => drivers.get('d'), { message: 'DRA driver d is not registered' });
  await register('/x');
  await assert.rejects(register('/x'), {
    message: 'endpoint /x already registered for DRA driver plugin d',
  });
  stop.abort();
});

test('while a driver is replaced the newest of its plugins that is there is asked', async () => {
  const { drivers, register, changes, stop } = createDrivers();
  const [old, next] = [join(folder, 'old.sock'), join(folder, 'next.sock')];
  const served = await serveDriver(old, fake());
  await register(old);
  await until(() => changes.includes('d usable'));
  await register(next);
  assert.equal(drivers.get('d').endpoint, old, 'the next one is not there yet');
  const replacing = await serveDriver(next, fake());
  await until(() => drivers.get('d').endpoint === next);
  await drivers.unregister({ name: 'd', endpoint: old });
  served.stop();
  assert.equal(changes.at(-1), 'd usable');
  replacing.stop();
  await until(() => changes.at(-1) === 'd unusable');
  const again = await serveDriver(next, fake());
  await until(() => changes.at(-1) === 'd usable');
  await drivers.unregister({ name: 'd', endpoint: next });
  assert.equal(changes.at(-1), 'd unusable');
  assert.throws(() => drivers.get('d'), /not registered/);
  stop.abort();
  again.stop();
});

const health = (value: number) => [
  {
    device: { poolName: 'pool', deviceName: 'gpu-0' },
    health: value,
    lastUpdatedTime: 0,
    healthCheckTimeoutSeconds: 0,
    message: '',
  },
];

test('reports by the next plugin of a driver remain when the old one goes', async () => {
  const { drivers, register, healths, stop } = createDrivers();
  const tells: ((value: number) => void)[] = [];
  const watched: FakeDriver['watched'] = (tell) => tells.push((value) => tell(health(value)));
  const endpoints = ['first', 'second'].map((name) => join(folder, `health-${name}.sock`));
  const served: { stop(): void }[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    served.push(await serveDriver(endpoint, fake({ watched })));
    await register(endpoint);
    await until(() => tells.length === index + 1);
    tells[index]!(index + 1);
    await until(() => healths.length === index + 1);
  }
  await drivers.unregister({ name: 'd', endpoint: endpoints[0]! });
  tells[1]!(3);
  await until(() => healths.includes(3));
  assert.deepEqual(healths, [1, 2, 3]);
  stop.abort();
  for (const each of served) each.stop();
});

test('a driver reports the health of its devices for as long as it is registered', async () => {
  const { drivers, register, healths, stop } = createDrivers();
  const endpoint = join(folder, 'health.sock');
  const watching = Promise.withResolvers<(value: number) => void>();
  const served = await serveDriver(
    endpoint,
    fake({ watched: (tell) => watching.resolve((value) => tell(health(value))) }),
  );
  await register(endpoint);
  const tell = await watching.promise;
  tell(1);
  await until(() => healths.length === 1);
  tell(2);
  await until(() => healths.length === 2);
  await drivers.unregister({ name: 'd', endpoint });
  await until(() => healths.length === 3);
  assert.deepEqual(healths, [1, 2, undefined]);
  stop.abort();
  served.stop();
});

test('a call is given up when the pod that it is for is to end', async () => {
  const { drivers, register, calls, stop } = createDrivers();
  const endpoint = join(folder, 'slow.sock');
  const asked = Promise.withResolvers<void>();
  const served = await serveDriver(
    endpoint,
    fake({
      prepare() {
        asked.resolve();
        return new Promise(() => undefined);
      },
    }),
  );
  await register(endpoint);
  const interrupt = new AbortController();
  const answer = drivers.get('d').prepare([claim], interrupt.signal);
  await asked.promise;
  interrupt.abort();
  await assert.rejects(answer, /code = Canceled/);
  assert.deepEqual(calls, ['/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources Canceled']);
  stop.abort();
  served.stop();
});
