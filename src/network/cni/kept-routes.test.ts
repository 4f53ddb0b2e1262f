import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Node } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { startCni } from './cni.ts';

const settings = ['ip_forward', ...['all', 'default'].flatMap(perInterface)];

function perInterface(name: string): string[] {
  return ['rp_filter', 'route_localnet', 'send_redirects'].map((each) => `conf/${name}/${each}`);
}

/** A node with one link, as `ip` shows it. */
function machine(links: readonly string[] = []) {
  const routes = new Set<string>();
  const run = async (_command: string, words: readonly string[], input = '') => {
    if (words.includes('address'))
      return JSON.stringify([
        { ifname: 'eth0', mtu: 1500, addr_info: [{ family: 'inet', local: '10.0.0.1', prefixlen: 24 }] },
      ]);
    if (words.includes('link')) return JSON.stringify(['eth0', ...links].map((ifname) => ({ ifname })));
    if (words.includes('show')) return JSON.stringify([...routes].map((dst) => ({ dst })));
    for (const [, to] of input.matchAll(/^route replace (?:unreachable )?(\S+)/gm)) routes.add(to!);
    return '';
  };
  return { routes, run };
}

test('routes to pods that are gone, as after a link was down or a flush, are set again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-routes-'));
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    rmSync(folder, { recursive: true });
  });
  for (const name of settings) {
    const file = join(folder, 'net/ipv4', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '0');
  }
  const informers = createFakeInformers();
  for (const index of [1, 2])
    informers.put(Node, {
      metadata: { name: `node-${index}` },
      spec: { podCIDRs: [`10.244.${index}.0/24`] },
      status: { addresses: [{ type: 'InternalIP', address: `10.0.0.${index}` }] },
    });
  const clock = new VirtualClock();
  const leases = join(folder, 'leases', 'wherry');
  mkdirSync(leases, { recursive: true });
  writeFileSync(join(leases, '10.244.1.2'), '0123456789abcdef\neth0');
  // Reserved by a plugin that has made no interface yet, and what is no lease.
  writeFileSync(join(leases, '10.244.1.3'), '');
  writeFileSync(join(leases, 'last_reserved_ip.0'), '10.244.1.3');
  const { routes, run } = machine(['veth01234567']);
  const cni = await startCni(
    {
      nodeName: 'node-1',
      nodeAddress: '10.0.0.1',
      clusterCidr: '10.244.0.0/16',
      informers,
      clock,
      logger: silentLogger,
      configFolder: folder,
      leasesFolder: join(folder, 'leases'),
      run,
      settingsFolder: folder,
    },
    stop.signal,
  );
  const all = ['10.244.0.0/16', '10.244.1.0/24', '10.244.1.2/32', '10.244.2.0/24'];
  assert.deepEqual([...routes].toSorted(), all);
  routes.delete('10.244.2.0/24');
  await clock.advance(20_000);
  await cni.settled();
  assert.deepEqual([...routes].toSorted(), all);
  routes.clear();
  await clock.advance(20_000);
  await cni.settled();
  assert.deepEqual([...routes].toSorted(), all);
});
