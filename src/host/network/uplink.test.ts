import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, succeeds } from '../../base/system/command.ts';

const canMakeNetworks =
  process.platform === 'linux' && (await succeeds('unshare', ['--net', 'nft', 'list', 'tables']));

/** Runs in a separate network namespace, with its own forwarding rules. */
const scenario = (forwardingBefore: string) => `
import { readFileSync, writeFileSync } from 'node:fs';
import { closeUplink, openUplink } from ${JSON.stringify(new URL('./uplink.ts', import.meta.url).href)};
const file = '/proc/sys/net/ipv4/ip_forward';
const seen = [];
const look = () => seen.push(readFileSync(file, 'utf8').trim());
const [first, second] = ['7', '8'].map((n) => ({ bridge: 'wh-test' + n, subnet: '172.30.' + n }));
writeFileSync(file, '${forwardingBefore}');
const open = (link) => openUplink(link, ['10.96.0.0/12', '10.244.0.0/16']);
await open(first); look();
await open(second); look();
await open(first); look();
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

/** The host of one node, with an uplink; the node queries a service, a pod and a machine outside. */
const leak = `
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openUplink } from ${JSON.stringify(new URL('./uplink.ts', import.meta.url).href)};
const ip = (...words) => execFileSync('ip', words.join(' ').split(' '));
const node = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
await once(node.stdout, 'data');
const inNode = (...words) => execFileSync('nsenter', ['--net=/proc/' + node.pid + '/ns/net', ...words]);
ip('link add wh-test7 type bridge');
ip('address add 172.30.7.1/24 dev wh-test7');
ip('link set wh-test7 up');
ip('link add out type veth peer name beyond');
ip('link set beyond up');
ip('address add 198.51.100.1/24 dev out');
ip('link set out up');
ip('route add default via 198.51.100.254');
ip('neighbour add 198.51.100.254 lladdr 02:00:00:00:00:01 dev out');
ip('link add wire master wh-test7 type veth peer name eth0 netns', node.pid);
ip('link set wire up');
for (const words of ['address add 172.30.7.2/24 dev eth0', 'link set eth0 up', 'route add default via 172.30.7.1'])
  inNode('ip', ...words.split(' '));
await openUplink({ bridge: 'wh-test7', subnet: '172.30.7' }, ['10.96.0.0/12', '10.244.0.0/16']);
execFileSync('nft', ['-f', '-'], { input: \`table ip out { counter sent { }
chain c { type filter hook postrouting priority 300; oifname "out" udp dport 53 counter name sent; }; }\` });
const packets = (...counter) =>
  Number(/packets (\\d+)/.exec(execFileSync('nft', ['list', 'counter', 'ip', ...counter]))[1]);
const sender = "const s = require('dgram').createSocket('udp4'); s.send('?', 53, process.argv[1], () => s.close())";
const send = (address) => inNode(process.execPath, '-e', sender, address);
for (const address of ['10.96.0.1', '10.244.9.9']) send(address);
const inside = packets('out', 'sent');
send('203.0.113.9');
console.log(inside, packets('out', 'sent'), packets('wherry_wh_test7', 'leaked'));
node.stdin.end();
`;

test('traffic to services and pods does not leave the host, and is counted', {
  skip: !canMakeNetworks,
}, async () => {
  const args = ['--net', process.execPath, '--input-type=module', '--eval', leak];
  assert.equal((await run('unshare', args)).trim(), '0 1 2');
});
