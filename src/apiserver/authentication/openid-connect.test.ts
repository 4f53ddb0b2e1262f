import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, suite, test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { createTestServer } from '../server.fixture.ts';
import { type OpenIdConnectOptions, openIdConnect } from './openid-connect.ts';

suite('OpenID Connect', () => {
  const pairs = {
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    stranger: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  };

  let provider: Server;
  let issuerUrl: string;
  let ca: string;
  let published: Record<string, unknown>[] = [];
  let keyRequests = 0;
  let clock: VirtualClock;

  before(async () => {
    const authority = await createAuthority('provider-ca');
    ca = authority.cert;
    const identity = { commonName: 'provider', usages: ['server' as const], ipAddresses: ['127.0.0.1'] };
    const { cert, key } = await issueCertificate(authority, identity);
    provider = createServer({ cert, key }, (request, response) => {
      if (request.url === '/.well-known/openid-configuration')
        return void response.end(JSON.stringify({ issuer: issuerUrl, jwks_uri: `${issuerUrl}/keys` }));
      if (request.url?.startsWith('/groups')) return void answerGroups(request, response);
      keyRequests++;
      response.end(JSON.stringify({ keys: published }));
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    issuerUrl = `https://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  });
  after(() => {
    provider.closeAllConnections();
    provider.close();
  });
  beforeEach(() => {
    clock = new VirtualClock();
    keyRequests = 0;
    published = [jwk('rsa')];
  });

  /** Asked for the groups: what it answers, and who may ask. */
  let groupsToken = '';
  function answerGroups({ headers, url }: IncomingMessage, response: ServerResponse): void {
    if (url === '/groups' && headers.authorization !== 'Bearer f005ba11') response.writeHead(403);
    response.end(groupsToken);
  }

  function jwk(name: keyof typeof pairs): Record<string, unknown> {
    return { ...pairs[name].publicKey.export({ format: 'jwk' }), use: 'sig', kid: name };
  }

  function tokenOf(claims: object, by: keyof typeof pairs = 'rsa', alg = 'RS256', kid: string = by): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const all = { iss: issuerUrl, aud: 'wherry', sub: 'jane', exp: clock.now() / 1000 + 60, ...claims };
    const content = `${part({ alg, kid })}.${part(all)}`;
    const key: KeyObject = pairs[by].privateKey;
    const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  }

  function userWith(options: Partial<OpenIdConnectOptions> = {}) {
    const authenticate = openIdConnect(
      { issuerUrl, clientId: 'wherry', ca, ...options },
      { clock, logger: silentLogger },
    );
    return async (token: string) => (await authenticate(token))?.user;
  }

  test('a good token names the user by the issuer, or as the options say', async () => {
    assert.deepEqual(await userWith()(tokenOf({})), { name: `${issuerUrl}#jane`, groups: [] });
    const claims = { email: 'jane@example.com', teams: ['a', 'b'], aud: ['x', 'wherry'] };
    const byMail = userWith({ usernameClaim: 'email', groupsClaim: 'teams', groupsPrefix: 'oidc:' });
    assert.deepEqual(await byMail(tokenOf(claims)), {
      name: 'jane@example.com',
      groups: ['oidc:a', 'oidc:b'],
    });
    assert.equal(await byMail(tokenOf({ ...claims, email_verified: false })), undefined);
    assert.equal((await userWith({ usernamePrefix: '-' })(tokenOf({})))?.name, 'jane');
    assert.equal((await userWith({ usernamePrefix: 'o:' })(tokenOf({})))?.name, 'o:jane');
  });

  test('groups that are elsewhere are fetched from there, in a token of its own', async () => {
    const byGroups = userWith({ groupsClaim: 'groups', groupsPrefix: 'o:' });
    const elsewhere = {
      _claim_names: { groups: 'src1' },
      _claim_sources: { src1: { endpoint: `${issuerUrl}/groups`, access_token: 'f005ba11' } },
    };
    groupsToken = tokenOf({ sub: undefined, groups: ['a', 'b'] });
    assert.deepEqual((await byGroups(tokenOf(elsewhere)))?.groups, ['o:a', 'o:b']);
    // Those that the token carries itself are the ones.
    assert.deepEqual((await byGroups(tokenOf({ ...elsewhere, groups: 'c' })))?.groups, ['o:c']);
    const other = { _claim_names: { roles: 'src1' }, _claim_sources: elsewhere._claim_sources };
    assert.deepEqual((await byGroups(tokenOf(other)))?.groups, []);
    const within = { ...elsewhere, _claim_sources: { src1: { JWT: 'x' } } };
    assert.deepEqual((await byGroups(tokenOf(within)))?.groups, []);
  });

  test('whose groups cannot be had from elsewhere is not let in, and told why', async () => {
    const authenticate = openIdConnect(
      { issuerUrl, clientId: 'wherry', ca, groupsClaim: 'groups' },
      { clock, logger: silentLogger },
    );
    const reasonFor = async (claims: object, answer = '') => {
      groupsToken = answer;
      const reasons: string[] = [];
      assert.equal(await authenticate(tokenOf(claims), undefined, (why) => reasons.push(why)), undefined);
      return reasons[0]!.replace('oidc: could not expand distributed claims: ', '');
    };
    const from = (source: object) => ({ _claim_names: { groups: 's' }, _claim_sources: { s: source } });
    const open = from({ endpoint: `${issuerUrl}/groups/open` });
    const groups = { groups: ['a'] };
    const rows: [object, string, string][] = [
      [{ _claim_names: { groups: 's' } }, '', 'oidc: no claim sources'],
      [
        { ...open, _claim_names: { groups: 't' } },
        '',
        'id token _claim_names contained a source t missing in _claims_sources',
      ],
      [
        from({ endpoint: `${issuerUrl}/groups`, access_token: 'other' }),
        '',
        'while getting distributed claim "groups": error while getting distributed claim JWT: 403 Forbidden',
      ],
      [
        open,
        'no token',
        `getting untrusted issuer from endpoint ${issuerUrl}/groups/open failed for claim "groups": malformed token`,
      ],
      [
        open,
        tokenOf(groups, 'stranger', 'RS256', 'rsa'),
        'verify distributed claim token: failed to verify signature: failed to verify id token signature',
      ],
      [
        open,
        tokenOf({ ...groups, aud: 'other' }),
        'verify distributed claim token: oidc: expected audience "wherry" got ["other"]',
      ],
      [
        open,
        tokenOf({ ...groups, iss: `${issuerUrl}/unknown` }),
        `verifying untrusted issuer ${issuerUrl}/unknown failed: verifier not initialized for issuer: "${issuerUrl}/unknown"`,
      ],
      [
        open,
        tokenOf({ roles: 'a' }),
        `jwt returned by distributed claim endpoint "${issuerUrl}/groups/open" did not contain claim: groups`,
      ],
    ];
    for (const [claims, answer, expected] of rows)
      assert.equal(await reasonFor(claims, answer), expected, JSON.stringify(claims));
  });

  test('tokens that are expired, not yet valid, for others, of others or badly signed are refused', async () => {
    const user = userWith({ requiredClaims: { org: 'us' } });
    const good = { org: 'us' };
    assert.ok(await user(tokenOf(good)));
    const bad = {
      expired: tokenOf({ ...good, exp: clock.now() / 1000 - 1 }),
      early: tokenOf({ ...good, nbf: clock.now() / 1000 + 65 }),
      audience: tokenOf({ ...good, aud: 'other' }),
      issuer: tokenOf({ ...good, iss: 'https://else.where' }),
      claim: tokenOf({ org: 'them' }),
      signature: tokenOf(good, 'stranger', 'RS256', 'rsa'),
      algorithm: tokenOf(good, 'rsa', 'HS256'),
      none: `${tokenOf(good).split('.').slice(0, 2).join('.')}.`,
      text: 'a.b.c',
    };
    for (const [why, token] of Object.entries(bad)) assert.equal(await user(token), undefined, why);
  });

  test('a review of a token says why nobody is let in', async () => {
    await using server = await createTestServer({
      clock,
      security: {
        openIdConnect: [{ issuerUrl, clientId: 'wherry', ca, usernameClaim: 'email', groupsClaim: 'teams' }],
      },
    });
    const review = async (token: string) => {
      const spec = { token };
      const { object } = await server.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec });
      return object.status;
    };
    const verify = 'oidc: verify token: ';
    const email = { email: 'j@example.com' };
    const cases: [token: string, error: string][] = [
      ['abc', 'invalid bearer token'],
      [tokenOf({ iss: 'https://else.where' }), 'invalid bearer token'],
      [tokenOf({ ...email, aud: ['x', 'y'] }), `${verify}oidc: expected audience "wherry" got ["x" "y"]`],
      [
        tokenOf({ ...email, exp: Date.parse('2025-01-02T03:04:05Z') / 1000 }),
        `${verify}oidc: token is expired (Token Expiry: 2025-01-02 03:04:05 +0000 UTC)`,
      ],
      [
        tokenOf(email, 'rsa', 'HS256'),
        `${verify}oidc: id token signed with unsupported algorithm, expected ["RS256"] got "HS256"`,
      ],
      [
        tokenOf(email, 'stranger', 'RS256', 'rsa'),
        `${verify}failed to verify signature: failed to verify id token signature`,
      ],
      [tokenOf({}), 'oidc: parse username claims "email": claim not present'],
      [tokenOf({ ...email, email_verified: false }), 'oidc: email not verified'],
      [
        tokenOf({ ...email, email_verified: 'true' }),
        "oidc: parse 'email_verified' claim: json: cannot unmarshal string into Go value of type bool",
      ],
      [
        tokenOf({ ...email, teams: ['a', 1] }),
        'oidc: parse groups claim "teams": json: cannot unmarshal array into Go value of type string',
      ],
    ];
    for (const [token, error] of cases) assert.deepEqual(await review(token), { user: {}, error });
    const { user } = await review(tokenOf({ ...email, jti: 'id-1', nbf: clock.now() / 1000 + 50 }));
    assert.deepEqual(user.extra, { 'authentication.kubernetes.io/credential-id': ['JTI=id-1'] });
  });

  test('a new key of the provider is fetched when a token needs it, but not for every stranger', async () => {
    const user = userWith({ signingAlgorithms: ['RS256', 'ES256'] });
    assert.ok(await user(tokenOf({})));
    for (let i = 0; i < 5; i++) assert.equal(await user(tokenOf({}, 'stranger')), undefined);
    assert.equal(keyRequests, 1);
    published = [jwk('ec')];
    await clock.advance(11_000);
    assert.ok(await user(tokenOf({}, 'ec', 'ES256')));
    assert.equal(keyRequests, 2);
  });

  test('the server lets in who shows such a token', async () => {
    await using server = await createTestServer({
      clock,
      security: { openIdConnect: [{ issuerUrl, clientId: 'wherry', ca, groupsClaim: 'teams' }] },
    });
    const { object } = await server.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token: tokenOf({ teams: ['builders'] }) },
    });
    assert.equal(object.status.user.username, `${issuerUrl}#jane`);
    assert.deepEqual(object.status.user.groups, ['builders', 'system:authenticated']);
  });
});
