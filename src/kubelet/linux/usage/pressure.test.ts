import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { groupDetailsV2 } from './container-usage.ts';
import { groupPressures, parsePressure } from './pressure.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-pressure-'));
after(() => rmSync(folder, { recursive: true }));

const some = 'some avg10=1.50 avg60=0.25 avg300=0.05 total=123456';
const full = 'full avg10=0.00 avg60=0.10 avg300=0.00 total=789';

test('pressure is read as the share in which some and all of the work waits', () => {
  const waiting = { total: 123456, avg10: 1.5, avg60: 0.25, avg300: 0.05 };
  const none = { total: 0, avg10: 0, avg60: 0, avg300: 0 };
  assert.deepEqual(parsePressure(`${some}\n${full}\n`), {
    some: waiting,
    full: { total: 789, avg10: 0, avg60: 0.1, avg300: 0 },
  });
  // Kernels before 5.13 report no full pressure for CPU.
  assert.deepEqual(parsePressure(`${some}\n`), { some: waiting, full: none });
  assert.equal(parsePressure(''), undefined);
});

test('a group has its pressures where the kernel measures all three', () => {
  assert.equal(groupPressures(folder), undefined);
  writeFileSync(join(folder, 'cpu.stat'), 'usage_usec 5\nuser_usec 3\nsystem_usec 2\n');
  for (const name of ['cpu', 'memory', 'io'])
    writeFileSync(join(folder, `${name}.pressure`), `${some}\n${full}\n`);
  const { pressures } = groupDetailsV2(folder)!;
  assert.deepEqual(Object.keys(pressures!), ['cpu', 'memory', 'io']);
  assert.equal(pressures!.io.full.total, 789);
});
