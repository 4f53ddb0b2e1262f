import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { rotateCertificate, rotationDeadlineMs } from './certificate-rotation.ts';

const dayMs = 86_400_000;

test('a certificate is renewed between 70 and 90 % of its life', () => {
  assert.equal(rotationDeadlineMs(1000, 2000, 0), 1700);
  assert.ok(Math.abs(rotationDeadlineMs(1000, 2000, 1) - 1900) < 1e-6);
});

test('an agent that runs for years has its certificate renewed every year, and asks again when that fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-rotation-'));
  const file = join(folder, 'client.crt');
  const clock = new VirtualClock();
  const stop = new AbortController();
  try {
    const authority = await createAuthority('test');
    const issued: { day: number; name: string }[] = [];
    const issue = async () => {
      const leaf = { commonName: `n${issued.length}`, usages: ['client' as const], validityDays: 365 };
      const { cert } = await issueCertificate(authority, leaf, clock.now());
      writeFileSync(file, cert);
      issued.push({ day: Math.floor(clock.monotonic() / dayMs), name: leaf.commonName });
    };
    await issue();
    let outagesLeft = 3;
    let work: Promise<void> | undefined;
    const renew = () => {
      work = outagesLeft-- > 0 ? Promise.reject(new Error('no server answers')) : issue();
      return work;
    };
    const random = seededRandom(3);
    const rotating = rotateCertificate({ file, renew, clock, random, logger: silentLogger }, stop.signal);
    for (let day = 0; day < 3 * 365; day += 1) {
      await clock.advance(dayMs);
      // Signing is real work outside of the virtual clock.
      await work?.catch(() => undefined);
    }
    stop.abort();
    await clock.advance(dayMs);
    await rotating;
    const gaps = issued.slice(1).map(({ day }, index) => day - issued[index]!.day);
    assert.ok(issued.length >= 4, JSON.stringify(issued));
    for (const gap of gaps) assert.ok(gap >= 0.7 * 365 - 1 && gap <= 0.9 * 365 + 2, `${gap} days`);
    assert.ok(outagesLeft < 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a machine whose clock is years ahead of the one that signs does not ask without a pause', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-rotation-'));
  const file = join(folder, 'client.crt');
  const clock = new VirtualClock();
  const stop = new AbortController();
  try {
    const authority = await createAuthority('test');
    const leaf = { commonName: 'n', usages: ['client' as const], validityDays: 365 };
    const { cert } = await issueCertificate(authority, leaf, clock.now() - 2 * 365 * dayMs);
    writeFileSync(file, cert);
    let renewals = 0;
    const renew = async () => {
      renewals++;
      // Without a pause this would loop forever.
      if (renewals > 100) stop.abort();
    };
    const random = seededRandom(3);
    const rotating = rotateCertificate({ file, renew, clock, random, logger: silentLogger }, stop.signal);
    await clock.advance(10 * 60_000);
    stop.abort();
    await clock.advance(dayMs);
    await rotating;
    assert.ok(renewals > 1 && renewals <= 11, `${renewals} renewals in ten minutes`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
