/** A node's wire to its cluster, made in network namespaces of this test: what is left of half a one is no wire. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/base/system/command.ts';
import {
  attachNode,
  type ClusterLink,
  chooseSubnet,
  ensureBridge,
  ensureNodeRoutes,
  hostAddress,
  isAttached,
  nodeAddress,
  removeBridge,
  usedPrefixes,
} from '../../src/host/network/link.ts';
import { type NodeNamespace, runInNode } from '../../src/host/node/node-namespace.ts';
import { processIdentity } from '../../src/host/processes/process.ts';
import { eventually } from './test-cluster.ts';

suite('the wire of a node', () => {
  const index = 2;
  const node = { index, serviceCidr: '10.96.0.0/12', defaultRoute: true };
  let link: ClusterLink;
  let namespace: NodeNamespace;
  const holder = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' });

  before(async () => {
    link = { bridge: `wh-t${process.pid}`, subnet: chooseSubnet(await usedPrefixes(), process.pid % 256) };
    const pid = holder.pid!;
    const own = readlinkSync('/proc/self/ns/net');
    await eventually('a namespace of its own', async () => readlinkSync(`/proc/${pid}/ns/net`) !== own);
    namespace = {
      holder: processIdentity(pid)!,
      enter: ['nsenter', '--net', '--target', String(pid), '--'],
      root: '/',
    };
    await ensureBridge(link);
  });
  after(async () => {
    holder.kill();
    await once(holder, 'exit');
    await removeBridge(link.bridge);
  });

  const inNode = (...command: string[]) => runInNode(namespace, command);
  const checkWhole = async () => {
    assert.ok(isAttached(link.bridge, index));
    await inNode('busybox', 'ping', '-c', '1', '-W', '5', hostAddress(link));
    assert.match(await inNode('ip', 'route', 'get', '10.96.0.1'), /dev svc0/);
    assert.match(await inNode('ip', 'route'), new RegExp(`^default via ${hostAddress(link)} `, 'm'));
  };

  test('is recreated when an attempt was interrupted or has failed half-way', async () => {
    await run('ip', ['-batch', '-'], {
      input: `link add ${link.bridge}-${index} type veth peer name eth0 netns ${namespace.holder.pid}`,
    });
    await inNode('ip', 'link', 'add', 'svc0', 'type', 'veth', 'peer', 'name', 'svc1');
    assert.equal(isAttached(link.bridge, index), false);
    await attachNode(link, node, namespace);
    await checkWhole();
    await assert.rejects(attachNode(link, { ...node, serviceCidr: 'none' }, namespace));
    assert.equal(isAttached(link.bridge, index), false);
    await attachNode(link, node, namespace);
    await checkWhole();
  });

  test('leads again to what it led to, after its routes were flushed and its links down', async () => {
    await inNode('ip', 'route', 'flush', 'table', 'main');
    for (const name of ['eth0', 'svc0']) await inNode('ip', 'link', 'set', name, 'down');
    await ensureNodeRoutes(link, node, namespace);
    await checkWhole();
  });

  test('to the services of a machine that is a node is recreated for another address, too', async () => {
    const module = fileURLToPath(new URL('../../src/host/network/link.ts', import.meta.url));
    const ensure = (address: string) =>
      inNode(
        process.execPath,
        '--input-type=module',
        '-e',
        `const { ensureServiceRoute } = await import(${JSON.stringify(module)});
         await ensureServiceRoute('10.96.0.0/12', '${address}');`,
      );
    await inNode('ip', 'route', 'delete', '10.96.0.0/12', 'dev', 'svc0');
    await ensure(nodeAddress(link, index));
    assert.match(await inNode('ip', 'route', 'get', '10.96.0.1'), /dev svc0/);
    await inNode('ip', 'address', 'add', `${nodeAddress(link, 99)}/32`, 'dev', 'eth0');
    await ensure(nodeAddress(link, 99));
    const before = await inNode('ip', '-json', 'link', 'show', 'svc0');
    assert.match(await inNode('ip', 'route', 'get', '10.96.0.1'), new RegExp(`src ${nodeAddress(link, 99)}`));
    await ensure(nodeAddress(link, 99));
    assert.equal(await inNode('ip', '-json', 'link', 'show', 'svc0'), before);
  });
});
