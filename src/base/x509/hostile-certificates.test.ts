import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { seededRandom } from '../random.ts';
import { createAuthority, createSigningRequest, parseSigningRequest, signRequest } from './pki.ts';

const random = seededRandom(20_261_128);
const rounds = 600;

/** Bytes of a request with a few of them changed, left out, or doubled, as PEM again. */
function tampered(der: Buffer): string {
  let bytes = Buffer.from(der);
  for (let edit = 1 + Math.floor(random.next() * 4); edit > 0; edit--) {
    const at = Math.floor(random.next() * bytes.length);
    const kind = random.next();
    if (kind < 0.6) bytes[at] = Math.floor(random.next() * 256);
    else if (kind < 0.8) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 5))]);
  }
  return pemOf(bytes);
}

function pemOf(bytes: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');

test('a signing request that was tampered with is refused: its own key has not signed it', async () => {
  const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
  const { request } = await createSigningRequest(subject, { dnsNames: ['n1'], ipAddresses: ['10.0.0.7'] });
  const der = derOf(request);
  for (let round = 0; round < rounds; round++) {
    const pem = tampered(der);
    if (derOf(pem).equals(der)) continue;
    await assert.rejects(parseSigningRequest(pem), `round ${round}: ${pem}`);
  }
});

test('malformed signing requests are refused when read and when signed', async () => {
  const authority = await createAuthority('a');
  const options = {
    usages: ['client' as const],
    keyUsages: [],
    notBefore: new Date(0),
    notAfter: new Date(1e12),
  };
  const deep = Buffer.concat([
    ...Array.from({ length: 5_000 }, () => Buffer.from([0x30, 0x80])),
    Buffer.alloc(9),
  ]);
  const huge = Buffer.concat([Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(100)]);
  for (const text of [
    '',
    'x',
    pemOf(Buffer.alloc(0)),
    pemOf(deep),
    pemOf(huge),
    pemOf(Buffer.alloc(100_000)),
  ]) {
    await assert.rejects(parseSigningRequest(text), text.slice(0, 60));
    await assert.rejects(signRequest(authority, text, options), text.slice(0, 60));
  }
});

test('a certificate has the subject that was examined, and no other meaning of its text', async () => {
  const authority = await createAuthority('test');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const requestOf = async (name: x509.JsonName) =>
    (
      await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: algorithm })
    ).toString('pem');
  // In a name written as text, this stands for the bytes of a string: `system:masters`.
  const hidden = `#0c0e${Buffer.from('system:masters').toString('hex')}`;
  const literally = (text: string) => ({ utf8String: text }) as unknown as string;
  const request = await requestOf([{ O: [literally(hidden)] }, { CN: ['ann'] }]);
  assert.deepEqual((await parseSigningRequest(request)).organizations, [hidden]);
  const certificate = await signRequest(authority, request, {
    usages: ['client'],
    keyUsages: ['digital signature'],
    notBefore: new Date(),
    notAfter: new Date(Date.now() + 60_000),
  });
  const { subject } = new X509Certificate(certificate).toLegacyObject();
  assert.deepEqual({ ...subject }, { O: hidden, CN: 'ann' });

  const names = ['system:node:a', 'system:node:b'];
  for (const name of [names.map((CN) => ({ CN: [CN] })), [{ CN: names }]])
    await assert.rejects(parseSigningRequest(await requestOf(name)), /more than one common name/);
});
