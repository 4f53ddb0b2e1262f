import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ensureClusterPki, readPair, usableCertificate } from './cluster-pki.ts';
import { pkiFiles } from './pki-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-pki-'));
after(() => rmSync(folder, { recursive: true }));
const names = { addresses: [], dnsNames: [], serviceAddress: '10.96.0.1' };

test('valid files are kept; a certificate or key that is damaged or missing is issued again', async () => {
  await ensureClusterPki(folder, names, 'new');
  const first = readPair(folder, pkiFiles.admin);
  await ensureClusterPki(folder, names, 'in use');
  assert.deepEqual(readPair(folder, pkiFiles.admin), first);
  const damages = [
    () => writeFileSync(join(folder, `${pkiFiles.admin}.crt`), ''),
    () => writeFileSync(join(folder, `${pkiFiles.admin}.key`), ''),
    () => writeFileSync(join(folder, `${pkiFiles.admin}.crt`), first.cert.slice(0, 300)),
    () => rmSync(join(folder, `${pkiFiles.admin}.key`)),
    () => writeFileSync(join(folder, `${pkiFiles.admin}.key`), readPair(folder, pkiFiles.server).key),
  ];
  for (const damage of damages) {
    damage();
    assert.equal(usableCertificate(folder, pkiFiles.admin), undefined, String(damage));
    await ensureClusterPki(folder, names, 'in use');
    assert.ok(usableCertificate(folder, pkiFiles.admin), String(damage));
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.new')),
    [],
  );
});
