import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { createSigningRequest } from '../../base/x509/pki.ts';
import { signingRequestProblem } from './pkcs10.ts';

const { request } = await createSigningRequest({
  commonName: 'system:node:a',
  organizations: ['system:nodes'],
});
const der = Buffer.from(request.replace(/-----[^-]+-----/g, ''), 'base64');

function pemOf(bytes: Uint8Array, type = 'CERTIFICATE REQUEST'): Buffer {
  return Buffer.from(
    `-----BEGIN ${type}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${type}-----\n`,
  );
}

function damaged(at: number, value: number): Buffer {
  const bytes = Buffer.from(der);
  bytes[at] = value;
  return pemOf(bytes);
}

test('a request that is signed with its key is sound', () => {
  assert.equal(signingRequestProblem(Buffer.from(request)), undefined);
  assert.equal(signingRequestProblem(pemOf(der)), undefined);
});

test('anything else is refused for what it is', () => {
  const noRequest = 'PEM block type must be CERTIFICATE REQUEST';
  const cases: [Uint8Array, string][] = [
    [Buffer.from(''), noRequest],
    [der, noRequest],
    [pemOf(der, 'NEW CERTIFICATE REQUEST'), noRequest],
    [pemOf(der, 'CERTIFICATE'), noRequest],
    [pemOf(Buffer.from('')), 'asn1: syntax error: sequence truncated'],
    [pemOf(der.subarray(0, 40)), 'asn1: syntax error: data truncated'],
    [pemOf(Buffer.concat([der, Buffer.from([0])])), 'asn1: syntax error: trailing data'],
    [damaged(1, 0x80), 'asn1: syntax error: indefinite length found (not DER)'],
    [
      damaged(0, 0x31),
      `asn1: structure error: tags don't match (16 vs {class:0 tag:17 length:${der.length - 4 + (der[1] === 0x81 ? 1 : 0)} isCompound:true}) {optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} certificateRequest @${der[1] === 0x81 ? 3 : 4}`,
    ],
    [damaged(der.length - 1, der.at(-1)! ^ 1), 'x509: ECDSA verification failure'],
    [
      pemOf(Buffer.from(der.toString('latin1').replace('node:a', 'node:b'), 'latin1')),
      'x509: ECDSA verification failure',
    ],
  ];
  for (const [pem, problem] of cases) assert.equal(signingRequestProblem(pem), problem);
});

test('whatever the bytes are, there is an answer', () => {
  const random = seededRandom(10);
  const int = (max: number) => Math.floor(random.next() * max);
  for (let round = 0; round < 2_000; round++) {
    const bytes = Buffer.from(der.subarray(0, int(4) === 0 ? int(der.length) : der.length));
    for (let edits = 1 + int(8); edits > 0; edits--) bytes[int(bytes.length)] = int(256);
    assert.equal(typeof (signingRequestProblem(pemOf(bytes)) ?? ''), 'string');
  }
});

test('a long text of many beginnings and ends is read once', () => {
  const beginnings = '-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(40_000);
  const ends = '\n-----END X-----'.repeat(100_000);
  const nested = pemOf(Buffer.alloc(1_000_000, Buffer.from([0x30, 0x83, 0x0f, 0x42, 0x40])));
  const before = process.cpuUsage();
  for (const text of [beginnings, ends, beginnings + ends]) signingRequestProblem(Buffer.from(text));
  signingRequestProblem(nested);
  assert.ok(process.cpuUsage(before).user / 1000 < 2000);
});
