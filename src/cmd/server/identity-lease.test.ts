import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '../../api/resources.gen.ts';
import { createTestServer } from '../../apiserver/server.fixture.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../../client/create-client.ts';
import { keepIdentityLease, leaseNameOf } from './identity-lease.ts';

const namespace = 'kube-system';
const hourMs = 3_600_000;

test('a server has a lease that says who it is, renews it, and removes those that have expired', async () => {
  const clock = new VirtualClock();
  await using server = await createTestServer({ clock });
  const client = createClient(server.transport);
  const stop = new AbortController();
  const started = { client, clock, logger: silentLogger, hostname: 'machine' };
  const first = keepIdentityLease({ ...started, serverId: '10.0.0.1' }, stop.signal);
  const gone = new AbortController();
  const second = keepIdentityLease({ ...started, serverId: '10.0.0.2' }, gone.signal);
  const leases = async () => {
    const { items } = await client.list(Lease, { namespace });
    return items.map(({ metadata }) => metadata.name).sort();
  };
  await clock.advance(20_000);
  const name = leaseNameOf('10.0.0.1');
  assert.deepEqual(await leases(), [name, leaseNameOf('10.0.0.2')].sort());
  const { metadata, spec } = await client.get(Lease, { namespace, name });
  assert.deepEqual(metadata.labels, {
    'apiserver.kubernetes.io/identity': 'kube-apiserver',
    'kubernetes.io/hostname': 'machine',
  });
  assert.match(name, /^apiserver-[a-z2-7]{26}$/);
  assert.ok(spec?.holderIdentity?.startsWith(`${name}_`));
  assert.equal(spec.leaseDurationSeconds, 3600);
  assert.ok(clock.now() - Date.parse(spec.renewTime!) < 11_000);

  gone.abort();
  await second;
  await clock.advance(hourMs);
  assert.equal((await leases()).length, 2);
  await clock.advance(hourMs);
  assert.deepEqual(await leases(), [name]);
  stop.abort();
  await first;
});

test('a server that is started again takes its lease over', async () => {
  const clock = new VirtualClock();
  await using server = await createTestServer({ clock });
  const client = createClient(server.transport);
  const holders = new Set<string>();
  for (let start = 0; start < 2; start++) {
    const stop = new AbortController();
    const options = { client, clock, logger: silentLogger, hostname: 'machine', serverId: '10.0.0.1' };
    const running = keepIdentityLease(options, stop.signal);
    await clock.advance(1_000);
    const { spec } = await client.get(Lease, { namespace, name: leaseNameOf('10.0.0.1') });
    holders.add(spec!.holderIdentity!);
    stop.abort();
    await running;
  }
  assert.equal(holders.size, 2);
});
