import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostResolvConf } from './resolv-conf.ts';

test('a node is given name servers that it can reach', () => {
  const files =
    (own: string, resolved = '') =>
    (path: string) =>
      path === '/etc/resolv.conf' ? own : resolved;
  const rows: [string, string, string][] = [
    ['plain servers stay', 'nameserver 192.0.2.1\nsearch x\n', 'nameserver 192.0.2.1\nsearch x\n'],
    ['one on loopback goes', 'nameserver 127.0.0.1\nnameserver 192.0.2.1\n', 'nameserver 192.0.2.1\n'],
    ['none at all is fine', 'search x\n', 'search x\n'],
  ];
  for (const [what, own, expected] of rows) assert.equal(hostResolvConf(files(own)), expected, what);
  const behind = hostResolvConf(files('nameserver 127.0.0.53\noptions edns0\n', 'nameserver 198.51.100.1\n'));
  assert.equal(behind, 'nameserver 198.51.100.1\n');
  assert.equal(hostResolvConf(files('nameserver 127.0.0.53\n')), '');
});
