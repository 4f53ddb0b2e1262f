import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { ensureClusterPki, readPair } from '../../host/keys/cluster-pki.ts';
import { renewServerCertificates } from './certificates.ts';

const dayMs = 86_400_000;

test('a server that runs for a year shows other certificates before its own end', {
  timeout: 60_000,
}, async () => {
  const pkiFolder = mkdtempSync(join(tmpdir(), 'wherry-certificates-'));
  const stop = new AbortController();
  try {
    const names = { addresses: ['192.0.2.7'], dnsNames: [], serviceAddress: '10.96.0.1' };
    await ensureClusterPki(pkiFolder, names, 'new');
    const clock = new VirtualClock(Date.now());
    const startMs = clock.now();
    const endMs = new X509Certificate(readPair(pkiFolder, 'apiserver').cert).validToDate.getTime();
    const shown: Record<string, X509Certificate> = {};
    const show = (to: string) => (pair: { cert: string }) => {
      shown[to] ??= new X509Certificate(pair.cert);
    };
    const renewing = renewServerCertificates(
      {
        pkiFolder,
        clock,
        random: seededRandom(1),
        logger: silentLogger,
        showToClients: show('clients'),
        showToNodes: show('nodes'),
        showToAggregated: show('aggregated'),
      },
      stop.signal,
    );
    while (Object.keys(shown).length < 3) {
      if (clock.now() < endMs) await clock.advance(dayMs);
      // Signing is real work outside of the virtual clock.
      await setImmediate();
    }
    stop.abort();
    await clock.advance(dayMs);
    await renewing;
    assert.deepEqual(Object.keys(shown).sort(), ['aggregated', 'clients', 'nodes']);
    const { clients } = shown;
    assert.match(clients!.subjectAltName!, /IP Address:192\.0\.2\.7/);
    const renewedMs = clients!.validFromDate.getTime();
    assert.ok(renewedMs > startMs + 200 * dayMs && renewedMs < endMs);
    assert.equal(
      readPair(pkiFolder, 'apiserver').cert.trim(),
      `${clients}`.trim(),
      'the next start shows it, too',
    );
  } finally {
    rmSync(pkiFolder, { recursive: true });
  }
});
