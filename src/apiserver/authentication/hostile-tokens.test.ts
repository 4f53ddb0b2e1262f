import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createTokenKeyPair } from '../../base/x509/pki.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import { JsonWebTokens } from './json-web-token.ts';
import { openIdConnect } from './openid-connect.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { bootstrapTokens } from './simple-tokens.ts';

const random = seededRandom(20_261_128);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!;
const rounds = 3_000;
const fragments = [
  ...['.', '..', '=', '-', '_', '\0', 'é', ' ', 'e30', 'eyJ', 'bnVsbA', 'W10', '{"alg":"none"}', '%', '/'],
  ...['x'.repeat(20_000), 'AAAA', '==', '\n', ','],
];

function mutated(text: string): string {
  let out = text;
  for (let edit = 1 + Math.floor(random.next() * 3); edit > 0; edit--) {
    const at = Math.floor(random.next() * (out.length + 1));
    const end = at + Math.floor(random.next() * 5);
    out = out.slice(0, at) + (random.next() < 0.7 ? pick(fragments) : '') + out.slice(end);
  }
  return out;
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const oddParts = [
  null,
  1,
  'x',
  [],
  {},
  { alg: 'none' },
  { alg: 'ES256', kid: 7 },
  { alg: ['RS256'], kid: null },
];
const oddClaims = [
  ...[null, 7, 'x', []],
  { iss: 'https://kubernetes.default.svc.cluster.local', sub: 7, aud: {}, exp: 'soon' },
  { iss: 'https://id.example', exp: 1e300, nbf: -1, aud: [[]], 'kubernetes.io': null },
];

test('tokens that were tampered with authenticate no user', async () => {
  const { privateKey } = await createTokenKeyPair();
  const tokens = new JsonWebTokens({ privateKey });
  const clock = new VirtualClock();
  const objects = new FakeObjects();
  const issuer = 'https://kubernetes.default.svc.cluster.local';
  const accounts = new ServiceAccountTokens({ tokens, issuer, audiences: [issuer], objects, clock, random });
  const provider = { issuerUrl: 'https://id.example', clientId: 'k' };
  const authenticators = [
    accounts.authenticate,
    bootstrapTokens(objects, clock),
    // Fetching keys must not be attempted: no server listens at that address.
    openIdConnect(provider, { clock, logger: silentLogger }),
  ];
  const good = tokens.sign({
    iss: issuer,
    sub: 'system:serviceaccount:a:b',
    aud: [issuer],
    exp: 4_000_000_000,
  });
  for (let round = 0; round < rounds; round++) {
    const parts = [
      encoded(pick(oddParts)),
      encoded(pick(oddClaims)),
      pick(['', 'AAAA', good.split('.')[2]!]),
    ];
    const token = mutated(
      random.next() < 0.5 ? good : pick([parts.join('.'), 'abcdef.0123456789abcdef', '']),
    );
    if (token === good) continue;
    assert.equal(tokens.verify(token), undefined, token.slice(0, 300));
    for (const authenticate of authenticators)
      assert.equal(await authenticate(token, [issuer]), undefined, token.slice(0, 300));
  }
});
