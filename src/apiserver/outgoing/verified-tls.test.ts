import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { type CertificatePair, createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { connectVerified } from './verified-tls.ts';

const name = 'hooks.shop.svc';

/** The outcome of a connection to a server with that certificate, for a client that trusts `ca`. */
async function outcome(served: CertificatePair, ca: string, servername = name): Promise<string> {
  // Such a server may have certificates that OpenSSL itself would not serve with.
  const identity = { cert: served.cert, key: served.key, ciphers: 'DEFAULT@SECLEVEL=0' };
  const server = createServer(identity, (socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    const secure = await connectVerified({ socket, servername, ca }, AbortSignal.timeout(10_000));
    secure.destroy();
    return 'connected';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!;
  } finally {
    socket.destroy();
    server.close();
  }
}

const leaf = { usages: ['server'] as const, dnsNames: [name] };

test('a server is verified by its authority, of another name or of its own', async () => {
  for (const commonName of ['hooks', 'authority']) {
    const authority = await createAuthority('authority');
    const served = await issueCertificate(authority, { commonName, ...leaf });
    assert.equal(await outcome(served, authority.cert), 'connected', commonName);
    const other = await createAuthority('other');
    assert.equal(
      await outcome(served, other.cert + authority.cert),
      'connected',
      `${commonName}, second of two`,
    );
  }
});

test('an authority of the same name that did not sign the certificate is not believed', async () => {
  const served = await issueCertificate(await createAuthority('hooks'), { commonName: 'hooks', ...leaf });
  const namesake = await createAuthority('hooks');
  assert.equal(await outcome(served, namesake.cert), 'DEPTH_ZERO_SELF_SIGNED_CERT');
  assert.equal(await outcome(namesake, (await createAuthority('hooks')).cert), 'DEPTH_ZERO_SELF_SIGNED_CERT');
});

test('validity, purpose and names are checked with an authority of the same name, too', async () => {
  const authority = await createAuthority('hooks');
  const issue = (changes: object) =>
    issueCertificate(authority, { commonName: 'hooks', ...leaf, ...changes }) as Promise<CertificatePair>;
  assert.equal(
    await outcome(await issue({}), authority.cert, 'till.shop.svc'),
    'ERR_TLS_CERT_ALTNAME_INVALID',
  );
  assert.equal(await outcome(await issue({ validityDays: -1 / 24 }), authority.cert), 'CERT_HAS_EXPIRED');
  const client = await issue({ usages: ['client'] });
  assert.equal(await outcome(client, authority.cert), 'INVALID_PURPOSE');
});

test('a certificate that has its name only as the common name is refused, as by Go', async () => {
  const authority = await createAuthority('authority');
  for (const authorityName of ['authority', name]) {
    const issuer = authorityName === 'authority' ? authority : await createAuthority(name);
    const served = await issueCertificate(issuer, { commonName: name, usages: ['server'] });
    assert.equal(await outcome(served, issuer.cert), 'ERR_TLS_CERT_LEGACY_NAME', authorityName);
  }
});

test('a signature with SHA-1 is named as what is wrong', async () => {
  const sha1 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-1' };
  const generate = () => webcrypto.subtle.generateKey(sha1, true, ['sign', 'verify']);
  const [authority, own] = await Promise.all([generate(), generate()]);
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const ca = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: 'CN=authority',
    keys: authority,
    signingAlgorithm: { ...sha1, hash: 'SHA-256' },
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  const cert = await X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=hook',
    issuer: ca.subject,
    publicKey: own.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: sha1,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const served = { cert: cert.toString('pem'), key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
  assert.equal(await outcome(served, ca.toString('pem')), 'ERR_TLS_CERT_SHA1');
});
