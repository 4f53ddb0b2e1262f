import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { LinkAddresses } from './link-addresses.ts';

test('an address that was removed from outside does not keep others from changing', async () => {
  /** The interface, with the kernel's answer to the removal of an address that it does not have. */
  const present = new Set<string>();
  const run = async (program: string, args: readonly string[], input = '') => {
    if (program !== 'ip') return '';
    if (args[0] === '-j') return JSON.stringify([{ addr_info: [...present].map((local) => ({ local })) }]);
    for (const line of input.trim().split('\n')) {
      const [, verb, address = ''] = line.replace('/32', '').split(' ');
      if (verb === 'replace') present.add(address);
      else if (!present.delete(address))
        throw new Error('RTNETLINK answers: Cannot assign requested address');
    }
    return '';
  };
  const addresses = await LinkAddresses.read({ device: 'eth0', run, logger: silentLogger });
  await addresses.set(['192.0.2.1', '192.0.2.2']);
  present.delete('192.0.2.1');
  await assert.rejects(addresses.set(['192.0.2.3']));
  await addresses.set(['192.0.2.3']);
  assert.deepEqual([...present], ['192.0.2.3']);
});
