import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import * as tls from 'node:tls';
import {
  authorityPin,
  createAuthority,
  createSigningRequest,
  createTokenKeyPair,
  issueCertificate,
  parseSigningRequest,
  reissueCertificate,
  signRequest,
} from './pki.ts';

test('files of certificates, requests and keys may be put one after another', async () => {
  const authority = await createAuthority('wherry-ca');
  const leaf = await issueCertificate(authority, { commonName: 'x', usages: ['client'] });
  const { request } = await createSigningRequest({ commonName: 'x' });
  for (const text of [authority.cert, authority.key, leaf.cert, leaf.key, request])
    assert.match(text, /^-----BEGIN [\s\S]*-----\n$/);
});

test('a server and a client of one authority trust each other, and the subject arrives', async () => {
  const authority = await createAuthority('wherry-ca');
  const server = await issueCertificate(authority, {
    commonName: 'apiserver',
    usages: ['server'],
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  const client = await issueCertificate(authority, {
    commonName: 'ann',
    organizations: ['system:masters', 'ops'],
    usages: ['client'],
  });
  const listener = tls.createServer({ ...server, ca: authority.cert, requestCert: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ host: '127.0.0.1', port, ca: authority.cert, ...client });
  const [peer] = (await once(listener, 'secureConnection')) as [tls.TLSSocket];
  assert.equal(peer.authorized, true);
  const { subject } = peer.getPeerCertificate();
  assert.equal(subject.CN, 'ann');
  assert.deepEqual(subject.O as unknown, ['system:masters', 'ops']);
  socket.destroy();
  peer.destroy();
  listener.close();
});

test('a signing request is read, signed under its own subject and names, and checks out', async () => {
  const authority = await createAuthority('wherry-ca');
  const { request, key } = await createSigningRequest(
    { commonName: 'system:node:n1', organizations: ['system:nodes'] },
    { dnsNames: ['n1'], ipAddresses: ['10.0.0.7'] },
  );
  assert.deepEqual(await parseSigningRequest(request), {
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    dnsNames: ['n1'],
    ipAddresses: ['10.0.0.7'],
    emailAddresses: [],
    uris: [],
  });
  const notBefore = new Date('2026-01-01T00:00:00Z');
  const notAfter = new Date('2027-01-01T00:00:00Z');
  const cert = new X509Certificate(
    await signRequest(authority, request, {
      usages: ['server', 'client'],
      keyUsages: ['digital signature', 'client auth'],
      notBefore,
      notAfter,
    }),
  );
  assert.ok(cert.verify(new X509Certificate(authority.cert).publicKey));
  assert.ok(cert.checkPrivateKey(createPrivateKey(key)));
  assert.equal(cert.subject, 'O=system:nodes\nCN=system:node:n1');
  assert.equal(cert.subjectAltName, 'DNS:n1, IP Address:10.0.0.7');
  assert.equal(new Date(cert.validTo).getTime(), notAfter.getTime());
  // Key usage 2.5.29.15, critical: a digital signature (0x80 of 7 unused bits) and nothing else.
  assert.ok(cert.raw.includes(Buffer.from('0603551d0f0101ff040403020780', 'hex')));
});

test('a certificate whose request names no usage of its key but logging in is good for logging in', async (context) => {
  const authority = await createAuthority('wherry-ca');
  const { request, key } = await createSigningRequest({ commonName: 'jane' });
  const cert = await signRequest(authority, request, {
    usages: ['client'],
    keyUsages: ['client auth'],
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 60_000),
  });
  assert.deepEqual(new X509Certificate(cert).keyUsage, ['1.3.6.1.5.5.7.3.2']);
  const server = await issueCertificate(authority, {
    commonName: 'apiserver',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const options = { requestCert: true, rejectUnauthorized: false };
  const listener = tls.createServer({ ...server, ca: authority.cert, ...options });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ host: '127.0.0.1', port, ca: authority.cert, cert, key });
  context.after(() => {
    socket.destroy();
    listener.close();
  });
  const [peer] = (await once(listener, 'secureConnection')) as [tls.TLSSocket];
  context.after(() => peer.destroy());
  assert.equal(peer.authorized, true);
});

test('a request that was changed after it was signed is refused', async () => {
  const { request } = await createSigningRequest({ commonName: 'ann' });
  const der = Buffer.from(request.replace(/-----[^-]+-----/g, ''), 'base64');
  der.write('bob', der.indexOf('ann'));
  await assert.rejects(parseSigningRequest(der.toString('base64')));
});

test('token keys sign and verify with ES256', async () => {
  const { publicKey, privateKey } = await createTokenKeyPair();
  const text = Buffer.from('header.payload');
  const signature = sign('sha256', text, { key: createPrivateKey(privateKey), dsaEncoding: 'ieee-p1363' });
  assert.ok(
    verify('sha256', text, { key: createPublicKey(publicKey), dsaEncoding: 'ieee-p1363' }, signature),
  );
});

test('the pin of an authority stays and differs from that of another', async () => {
  const [one, other] = [await createAuthority('wherry-ca'), await createAuthority('wherry-ca')];
  assert.match(authorityPin(one.cert), /^sha256:[0-9a-f]{64}$/);
  assert.equal(authorityPin(one.cert), authorityPin(one.cert));
  assert.notEqual(authorityPin(one.cert), authorityPin(other.cert));
});

test('a certificate is issued again for whom and what it was, with another key and a new life', async () => {
  const authority = await createAuthority('wherry-ca');
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  const former = await issueCertificate(
    authority,
    {
      commonName: 'kube-apiserver',
      organizations: ['system:masters'],
      usages: ['server', 'client'],
      dnsNames: ['kubernetes.default'],
      ipAddresses: ['10.96.0.1', '::1'],
    },
    nowMs,
  );
  const renewed = await reissueCertificate(authority, former.cert, nowMs + 300 * 86_400_000);
  const [before, after] = [former, renewed].map(({ cert }) => new X509Certificate(cert)) as [
    X509Certificate,
    X509Certificate,
  ];
  for (const field of ['subject', 'subjectAltName', 'keyUsage', 'issuer'] as const)
    assert.deepEqual(after[field], before[field], field);
  assert.ok(after.verify(new X509Certificate(authority.cert).publicKey));
  assert.ok(after.checkPrivateKey(createPrivateKey(renewed.key)));
  assert.ok(!after.checkPrivateKey(createPrivateKey(former.key)));
  assert.equal(after.validToDate.toISOString(), '2027-10-28T00:00:00.000Z');
});
