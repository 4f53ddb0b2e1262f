import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createAuthenticator } from './authenticator.ts';
import { readAuthenticationConfiguration } from './configuration.ts';
import { ConfiguredAuthentication } from './configured-authentication.ts';

const own = 'https://kubernetes.default.svc.cluster.local';

function read(yaml: string) {
  const text = `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n${yaml}`;
  return readAuthenticationConfiguration(parse(text), [own]);
}

/** One issuer, with `more` in its entry. */
function issuer(more: string, url = 'https://id.example'): string {
  return `- issuer: {url: "${url}", audiences: [wherry]}\n${more.replace(/^(?=.)/gm, '  ')}\n`;
}
const bySub = 'claimMappings: {username: {claim: sub, prefix: ""}}';
const jwt = (more: string) => `jwt:\n${issuer(more)}`;
const mapped = (mappings: string) => jwt(`claimMappings: {username: {claim: sub, prefix: ""}, ${mappings}}`);
const named = (username: string) => jwt(`claimMappings: {username: ${username}}`);

const wrong: [what: string, yaml: string, message: RegExp | string][] = [
  ['a field that is none', jwt(`${bySub}\nfoo: 1`), 'strict decoding error: unknown field "jwt[0].foo"'],
  ['a value of another form', 'anonymous: {enabled: "yes"}', /anonymous.enabled: true or false is wanted/],
  [
    'no name',
    jwt('{}').replace('  {}', ''),
    'jwt[0].claimMappings.username: Required value: claim or expression is required',
  ],
  [
    'no prefix',
    named('{claim: sub}'),
    /username.prefix: Required value: prefix is required when claim is set/,
  ],
  [
    'a claim and an expression',
    named('{claim: a, expression: claims.a}'),
    /username: Invalid value: "": claim and expression can't both be set/,
  ],
  [
    'an expression that is none',
    named('{expression: claims.}'),
    /username.expression: Invalid value: "claims.": compilation failed: /,
  ],
  [
    'another variable',
    named('{expression: user.name}'),
    /username.expression: Invalid value: .*compilation failed: .*user/,
  ],
  [
    "an email that may be anybody's",
    named('{expression: claims.email}'),
    /claims.email_verified must be used in/,
  ],
  [
    'plain http',
    `jwt:\n${issuer(bySub, 'http://id.example')}`,
    'jwt[0].issuer.url: Invalid value: "http://id.example": URL scheme must be https',
  ],
  [
    "the server's own issuer",
    `jwt:\n${issuer(bySub, own)}`,
    /URL must not overlap with disallowed issuers: \[https:/,
  ],
  [
    'an issuer twice',
    `jwt:\n${issuer(bySub)}${issuer(bySub)}`,
    'jwt[1].issuer.url: Duplicate value: "https://id.example"',
  ],
  [
    'no audience',
    jwt(bySub).replace('[wherry]', '[]'),
    /issuer.audiences: Required value: at least one jwt\[0\].issuer.audiences is required/,
  ],
  [
    'audiences without a policy',
    jwt(bySub).replace('[wherry]', '[a, b]'),
    /audienceMatchPolicy must be MatchAny for multiple audiences/,
  ],
  [
    'no certificate',
    jwt(bySub).replace('audiences', 'certificateAuthority: x, audiences'),
    /certificateAuthority: Invalid value: "<omitted>"/,
  ],
  [
    'its own URL as discovery',
    jwt(bySub).replace('audiences', 'discoveryURL: "https://id.example/", audiences'),
    /discoveryURL must be different from URL/,
  ],
  [
    'a rule of nothing',
    jwt(`${bySub}\nclaimValidationRules: [{}]`),
    /claimValidationRules\[0\]: Required value: claim or expression is required/,
  ],
  [
    'a rule that is no question',
    jwt(`${bySub}\nclaimValidationRules: [{expression: claims.a}]`),
    /claimValidationRules\[0\].expression: Invalid value: "claims.a": must evaluate to bool/,
  ],
  [
    'a message for a claim',
    jwt(`${bySub}\nclaimValidationRules: [{claim: a, message: b}]`),
    /message: Invalid value: "b": may not be specified when claim is set/,
  ],
  [
    'a rule twice',
    jwt(`${bySub}\nuserValidationRules: [{expression: "true"}, {expression: "true"}]`),
    /userValidationRules\[1\].expression: Duplicate value: "true"/,
  ],
  [
    'an extra key without a domain',
    mapped('extra: [{key: a, valueExpression: "\'b\'"}]'),
    /extra\[0\].key: Invalid value: "a": must be a domain-prefixed path/,
  ],
  [
    'an extra key of Kubernetes',
    mapped('extra: [{key: x.k8s.io/a, valueExpression: "\'b\'"}]'),
    /reserved for Kubernetes use/,
  ],
  [
    'an extra key in capitals',
    mapped('extra: [{key: example.org/A, valueExpression: "\'b\'"}]'),
    /must be lowercase/,
  ],
  [
    'conditions for nobody',
    'anonymous: {enabled: false, conditions: [{path: /livez}]}',
    /enabled should be set to true when conditions are defined/,
  ],
];
for (const [what, yaml, message] of wrong)
  test(`a configuration is refused for ${what}`, () => {
    assert.throws(() => read(yaml), typeof message === 'string' ? { message } : message);
  });

test('all errors are reported at once, and another kind by its name', () => {
  const two = `jwt:\n${issuer('{}').replace('  {}', '')}${issuer(bySub, 'http://b')}`;
  assert.throws(() => read(two), /^Error: \[jwt\[0\].*, jwt\[1\].*\]$/);
  const other = { apiVersion: 'v1', kind: 'Pod' };
  assert.throws(() => readAuthenticationConfiguration(other, []), /no kind "Pod" is registered/);
  assert.throws(() => readAuthenticationConfiguration(null, []), /no kind "" is registered/);
});

const claims = {
  sub: 'jane',
  email: 'jane@example.com',
  email_verified: true,
  roles: 'admins,builders',
  level: 3,
  teams: ['a', '', 'b'],
  none: null,
};

test('claims become a user by name, by prefix and by expression', () => {
  const [provider] = read(`jwt:
- issuer: {url: "https://id.example", audiences: [a, b], audienceMatchPolicy: MatchAny}
  claimMappings:
    username: {expression: "claims.email_verified ? claims.email.split('@')[0] : ''"}
    groups: {expression: "claims.roles.split(',').map(role, 'role:' + role)"}
    uid: {claim: sub}
    extra:
    - {key: example.org/teams, valueExpression: claims.teams}
    - {key: example.org/level, valueExpression: "claims.level > 2 ? 'high' : 'low'"}
    - {key: example.org/none, valueExpression: claims.none}
  claimValidationRules:
  - {claim: sub, requiredValue: jane}
  - {expression: "claims.level < 9", message: too high}
  userValidationRules:
  - {expression: "!user.username.startsWith('system:')", message: reserved}
  - {expression: "user.groups.all(group, group.startsWith('role:'))"}
  - {expression: "user.extra['example.org/level'] == ['high']"}
`).providers;
  assert.deepEqual(provider!.audiences, ['a', 'b']);
  assert.deepEqual(provider!.userOf(claims), {
    name: 'jane',
    groups: ['role:admins', 'role:builders'],
    uid: 'jane',
    extra: { 'example.org/teams': ['a', 'b'], 'example.org/level': ['high'] },
  });
  assert.throws(
    () => provider!.userOf({ ...claims, sub: 'x' }),
    /required claim sub value does not match. Got = x, want = jane/,
  );
  assert.throws(() => provider!.userOf({ ...claims, level: 9 }), /'claims.level < 9' failed: too high/);
  assert.throws(() => provider!.userOf({ ...claims, email: 'system:x@y' }), /failed: reserved/);
  assert.throws(
    () => provider!.userOf({ ...claims, level: 1 }),
    /error evaluating user info validation rule/,
  );
  assert.throws(
    () => provider!.userOf({ ...claims, teams: [1] }),
    /extra claim expression: .*must return a string or a list of strings/,
  );
  const { roles: _, ...without } = claims;
  assert.throws(
    () => provider!.userOf(without),
    /error evaluating group claim expression: no such key: roles/,
  );
});

test('a group claim may be a text or a list, and may be absent', () => {
  const [provider] = read(mapped('groups: {claim: teams, prefix: "t:"}')).providers;
  const groups = (teams: unknown) =>
    provider!.userOf({ sub: 'a', ...(teams !== undefined && { teams }) }).groups;
  assert.deepEqual(groups(['x', 'y']), ['t:x', 't:y']);
  assert.deepEqual(groups('x'), ['t:x']);
  assert.deepEqual(groups(undefined), []);
  assert.throws(() => groups(['x', 1]), /parse groups claim "teams": json: cannot unmarshal array into Go/);
});

test('an expression gives every user a name', () => {
  const [provider] = read(named('{expression: claims.name}')).providers;
  assert.throws(() => provider!.userOf({ name: '' }), /empty username via CEL expression is not allowed/);
});

test('anonymous requests may reach the paths that the configuration names, as soon as it names them', async () => {
  const configured = new ConfiguredAuthentication({ clock: new VirtualClock(), logger: silentLogger });
  const authenticate = createAuthenticator([], configured.admitsAnonymous);
  const admits = async (path: string) => {
    const request = sparse<Parameters<typeof authenticate>[0]>({ path, header: () => undefined });
    return authenticate(request).then(
      ({ name }) => name === 'system:anonymous',
      ({ code }: { code: number }) => code !== 401,
    );
  };
  assert.ok(await admits('/api'));
  configured.set(read('anonymous: {enabled: true, conditions: [{path: /livez}]}'));
  assert.deepEqual(
    [await admits('/livez'), await admits('/livez/ping'), await admits('/api')],
    [true, false, false],
  );
  configured.set(read('anonymous: {enabled: false}'));
  assert.equal(await admits('/livez'), false);
  configured.set(read(''));
  assert.ok(await admits('/api'));
});

test('whatever stands in a file, it is read or refused with a reason', () => {
  const random = seededRandom(11);
  const good = parse(
    `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n${mapped('groups: {expression: claims.g}, extra: [{key: a.b/c, valueExpression: claims.x}]')}`,
  );
  const values = [null, 5, '', 'claims.', 'https://x', true, [], {}, [null], [{}], { claim: 1 }, '\ud800'];
  /** The same with a random value in one random place. */
  const spoilt = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || random.next() < 0.15)
      return values[Math.floor(random.next() * values.length)];
    const keys = Object.keys(value);
    const key = keys[Math.floor(random.next() * keys.length)];
    if (key === undefined) return 'x';
    const copy = structuredClone(value) as Record<string, unknown>;
    copy[key] = spoilt(copy[key]);
    return copy;
  };
  for (let round = 0; round < 2_000; round++) {
    const value = spoilt(good);
    try {
      readAuthenticationConfiguration(value, [own]);
    } catch (error) {
      assert.equal((error as Error).name, 'Error', `${JSON.stringify(value)}: ${error}`);
      assert.notEqual((error as Error).message, '');
    }
  }
});
