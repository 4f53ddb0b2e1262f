import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EndpointSlice } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { createFakeInformers } from '../../network/informers.fake.ts';
import { followServers, readKnownServers } from './server-list.ts';

const configured = ['https://10.1.0.1:6443'];
const bothServers = ['https://10.1.0.1:6443', 'https://10.1.0.2:6443'];
const folder = mkdtempSync(join(tmpdir(), 'wherry-servers-'));
after(() => rmSync(folder, { recursive: true }));

function follow(list: { configured: string[]; folder: string }) {
  const options = { ...list, logger: silentLogger };
  const informers = createFakeInformers();
  const news: (readonly string[])[] = [];
  followServers(informers, { ...options, changed: (servers) => news.push(servers) });
  const publish = (name: string, ...addresses: string[]) =>
    informers.put(EndpointSlice, {
      metadata: { name },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address] })),
      ports: [{ port: 6443 }],
    });
  return { news, publish, known: () => readKnownServers(options) };
}

test('an agent learns of the servers that the kubernetes service leads to, and knows them when it starts again', () => {
  const { news, publish, known } = follow({ configured, folder });
  publish('other', '10.1.0.7');
  publish('kubernetes', '10.1.0.1');
  assert.deepEqual(news, []);
  publish('kubernetes', '10.1.0.1', '10.1.0.2');
  publish('kubernetes', '10.1.0.2');
  assert.deepEqual(news, [bothServers]);
  assert.deepEqual(known(), bothServers);
});

test('a list that cannot be read or kept does not keep an agent from its servers', () => {
  writeFileSync(join(folder, 'known-servers.json'), '["https://10.1.');
  assert.deepEqual(follow({ configured, folder }).known(), configured);
  const { news, publish } = follow({ configured, folder: join(folder, 'missing') });
  publish('kubernetes', '10.1.0.2');
  assert.deepEqual(news, [bothServers]);
});
