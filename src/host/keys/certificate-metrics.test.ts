import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { certificateMetrics } from './certificate-metrics.ts';

test('a node has metrics of how long its certificates remain valid, also of one that does not exist yet, and of failed renewals', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-certificate-metrics-'));
  try {
    const clock = new VirtualClock();
    const files = { client: join(folder, 'client.crt'), server: join(folder, 'server.crt') };
    const leaf = { commonName: 'n', usages: ['client' as const], validityDays: 10 };
    const { cert } = await issueCertificate(await createAuthority('test'), leaf, clock.now());
    writeFileSync(files.client, cert);
    const registry = new MetricsRegistry();
    const renewals = certificateMetrics(registry, files, clock);
    await clock.advance(9 * 86_400_000);
    await assert.rejects(
      renewals.server(Promise.reject(new Error('no server answers'))),
      /no server answers/,
    );
    assert.equal(await renewals.client(Promise.resolve('done')), 'done');
    const sampleOf = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(registry.expose())?.[1];
    writeFileSync(files.server, cert);
    await renewals.server(Promise.resolve('done'));
    rmSync(files.server);
    assert.equal(sampleOf('kubelet_certificate_manager_server_rotation_seconds_count'), '1');
    const lived = Number(sampleOf('kubelet_certificate_manager_server_rotation_seconds_sum'));
    assert.equal(lived, (clock.now() - Date.parse(new X509Certificate(cert).validFrom)) / 1000);
    assert.match(sampleOf('kubelet_certificate_manager_client_ttl_seconds') ?? '', /^\d+$/);
    assert.equal(Math.round(Number(sampleOf('kubelet_certificate_manager_client_ttl_seconds')) / 86_400), 1);
    assert.equal(sampleOf('kubelet_certificate_manager_server_ttl_seconds'), '+Inf');
    assert.equal(sampleOf('kubelet_certificate_manager_client_expiration_renew_errors'), '0');
    assert.equal(sampleOf('kubelet_server_expiration_renew_errors'), '1');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
