import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, canMakeNetworks, TestNetwork } from '../network.fixture.ts';
import { takeDnsAddress } from './address.ts';

it('a query without a server to answer it is not refused, other ports are', {
  skip: !canMakeNetworks,
}, async () => {
  await using network = new TestNetwork();
  const node = await network.node(2);
  const pod = await network.pod(node, '10.244.2.11');
  await takeDnsAddress(node.run, '10.96.0.10', 53);
  for (const from of [pod, node]) {
    assert.equal(await ask(from, '10.96.0.10', 'udp:53'), 'timeout', from.name);
    assert.equal(await ask(from, '10.96.0.10', 53), 'timeout', from.name);
    assert.equal(await ask(from, '10.96.0.10', 'udp:54'), 'refused', from.name);
    assert.equal(await ask(from, '10.96.0.10', 54), 'refused', from.name);
  }
  await network.answer(node, [53]);
  assert.deepEqual(await ask(pod, '10.96.0.10', 53), { from: node.name, client: '10.244.2.11' });
});
