import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takenLater } from './up.ts';

test('settings that a running cluster takes at its next start only are named, others are not', () => {
  const rows: [Record<string, unknown>, RegExp | undefined][] = [
    [{}, undefined],
    [{ nodes: '3', offline: true, name: 'x' }, undefined],
    [{ 'load-balancer-pool': '172.30.2.200-172.30.2.210' }, /next start .*: --load-balancer-pool$/],
    [{ 'kubelet-config': 'a', 'audit-log-path': '-' }, /: --kubelet-config, --audit-log-path$/],
  ];
  for (const [values, expected] of rows) {
    const lines = takenLater(values);
    assert.equal(lines.length, expected ? 1 : 0);
    if (expected) assert.match(lines[0]!, expected);
  }
});
