import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInterfaces } from './network-usage.ts';

test("interfaces are read with what they carried, but for the loopback and those of pods' other ends", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 3623884     900    1    2    0     0          0         0  2096467     800    3    4    0     0       0          0
veth12:     866      11    0    0    0     0          0         0      746       7    0    0    0     0       0          0
`;
  assert.deepEqual(parseInterfaces(text), [
    {
      name: 'eth0',
      rxBytes: 3623884,
      rxPackets: 900,
      rxErrors: 1,
      rxDropped: 2,
      txBytes: 2096467,
      txPackets: 800,
      txErrors: 3,
      txDropped: 4,
    },
  ]);
  assert.deepEqual(parseInterfaces(''), []);
});
