import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EndpointSlice } from '../api/resources.gen.ts';
import { createFakeInformers } from '../network/informers.fake.ts';
import { followServers, readKnownServers } from './server-list.ts';

test('an agent learns of the servers that the kubernetes service leads to, and knows them when it starts again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-servers-'));
  try {
    const configured = ['https://10.1.0.1:6443'];
    const informers = createFakeInformers();
    const publish = (name: string, ...addresses: string[]) =>
      informers.put(EndpointSlice, {
        metadata: { name },
        addressType: 'IPv4',
        endpoints: addresses.map((address) => ({ addresses: [address] })),
        ports: [{ port: 6443 }],
      });
    const news: (readonly string[])[] = [];
    followServers(informers, { configured, folder, changed: (servers) => news.push(servers) });
    publish('other', '10.1.0.7');
    publish('kubernetes', '10.1.0.1');
    assert.deepEqual(news, []);
    publish('kubernetes', '10.1.0.1', '10.1.0.2');
    publish('kubernetes', '10.1.0.2');
    assert.deepEqual(news, [['https://10.1.0.1:6443', 'https://10.1.0.2:6443']]);
    assert.deepEqual(readKnownServers(folder, configured), news[0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
