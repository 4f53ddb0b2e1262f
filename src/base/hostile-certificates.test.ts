import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority, createSigningRequest, parseSigningRequest, signRequest } from './pki.ts';
import { seededRandom } from './random.ts';

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

test('what is no request at all is refused, by those who read and by those who sign', async () => {
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
