import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, succeeds } from './command.ts';

const canMakeNetworks =
  process.platform === 'linux' && (await succeeds('unshare', ['--net', 'nft', 'list', 'tables']));

/** Runs in a network namespace of its own, whose forwarding is nobody else's. */
const scenario = (forwardingBefore: string) => `
import { readFileSync, writeFileSync } from 'node:fs';
import { closeUplink, openUplink } from ${JSON.stringify(new URL('./uplink.ts', import.meta.url).href)};
const file = '/proc/sys/net/ipv4/ip_forward';
const seen = [];
const look = () => seen.push(readFileSync(file, 'utf8').trim());
const [first, second] = ['7', '8'].map((n) => ({ bridge: 'wh-test' + n, subnet: '172.30.' + n }));
writeFileSync(file, '${forwardingBefore}');
await openUplink(first); look();
await openUplink(second); look();
await openUplink(first); look();
await closeUplink(first); look();
await closeUplink(second); look();
console.log(seen.join(' '));
`;

async function forwardingSeen(before: string): Promise<string> {
  const args = ['--net', process.execPath, '--input-type=module', '--eval', scenario(before)];
  return (await run('unshare', args)).trim();
}

test('the host forwards packets until the last cluster that needs it is gone', {
  skip: !canMakeNetworks,
}, async () => {
  assert.equal(await forwardingSeen('0'), '1 1 1 1 0');
});

test('a host that forwarded packets before goes on with it', { skip: !canMakeNetworks }, async () => {
  assert.equal(await forwardingSeen('1'), '1 1 1 1 1');
});
