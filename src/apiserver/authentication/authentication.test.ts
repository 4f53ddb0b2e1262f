import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Pod, Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { authorizationWarning, createAuthenticator } from './authenticator.ts';
import { impersonate } from './impersonation.ts';
import { type ImpersonationRequest, LastModes } from './impersonation-modes.ts';
import { JsonWebTokens } from './json-web-token.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { bootstrapTokens, staticTokens } from './simple-tokens.ts';

const audience = 'https://kubernetes.default.svc.cluster.local';
const hourMs = 3_600_000;

function keys(): { privateKey: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function setUp() {
  const clock = new VirtualClock();
  const objects = new FakeObjects()
    .put(ServiceAccount, { metadata: { namespace: 'default', name: 'robot' } })
    .put(Pod, { metadata: { namespace: 'default', name: 'p' }, spec: { containers: [] } });
  const tokens = new JsonWebTokens(keys());
  const random = seededRandom(1);
  const accounts = new ServiceAccountTokens({
    tokens,
    issuer: audience,
    audiences: [audience],
    objects,
    clock,
    random,
  });
  return { clock, objects, tokens, accounts };
}

const facts = {
  namespace: 'default',
  serviceAccount: { name: 'robot', uid: 'uid-robot' },
  audiences: [audience],
  expirationSeconds: 3600,
};
const boundFacts = {
  ...facts,
  bound: { kind: 'Pod', name: 'p', uid: 'uid-p' } as const,
  node: { name: 'n1' },
};

function request(headers: Record<string, string>): ApiRequest {
  return {
    header: (name: string) => headers[name],
    headers: () => headers,
  } as ApiRequest;
}

test('a service account’s token names its user, and where it runs', async () => {
  const { accounts } = setUp();
  const { token } = accounts.issue(boundFacts);
  const authenticated = await accounts.authenticate(token);
  assert.equal(authenticated?.user.name, 'system:serviceaccount:default:robot');
  assert.deepEqual(authenticated?.user.groups, ['system:serviceaccounts', 'system:serviceaccounts:default']);
  assert.deepEqual(authenticated?.user.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  assert.deepEqual(authenticated?.user.extra?.['authentication.kubernetes.io/node-name'], ['n1']);
});

test('a token ends with its time, its account and its pod, and is good for its audiences only', async () => {
  const { accounts, objects, clock } = setUp();
  const plain = accounts.issue(facts).token;
  const bound = accounts.issue({ ...boundFacts, expirationSeconds: 3607 }).token;
  const foreign = accounts.issue({ ...facts, audiences: ['vault'] }).token;
  assert.equal(await accounts.authenticate(foreign), undefined);
  assert.deepEqual((await accounts.authenticate(foreign, ['vault', 'x']))?.audiences, ['vault']);
  await clock.advance(2 * hourMs);
  assert.equal(await accounts.authenticate(plain), undefined, 'expired');
  assert.ok(await accounts.authenticate(bound), 'a mounted token outlives clients that do not reread it');
  objects.remove(Pod, 'default', 'p');
  assert.equal(await accounts.authenticate(bound), undefined, 'the pod is gone');
  const fresh = accounts.issue(facts).token;
  objects.put(ServiceAccount, { metadata: { namespace: 'default', name: 'robot', uid: 'another' } });
  assert.equal(await accounts.authenticate(fresh), undefined, 'another account of the same name');
});

test('a token is refused for a reason, and when what it is bound to was deleted a minute ago', async () => {
  const { accounts, objects, clock } = setUp();
  const reasonOf = async (token: string, audiences?: string[]) => {
    const reasons: string[] = [];
    assert.equal(await accounts.authenticate(token, audiences, (reason) => reasons.push(reason)), undefined);
    return reasons;
  };
  const { token } = accounts.issue(boundFacts);
  const target = 'is invalid for the target audiences';
  assert.deepEqual(await reasonOf(token, ['x', 'y']), [
    `token audiences ["${audience}"] ${target} ["x" "y"]`,
  ]);
  const [head, claims] = token.split('.');
  const crypto = 'go-jose/go-jose: error in cryptographic primitive';
  assert.deepEqual(await reasonOf(`${head}.${claims}.AAAA`), [crypto]);
  const unknown = Buffer.from('{"alg":"ES256","kid":"x"}').toString('base64url');
  assert.deepEqual(await reasonOf(`${unknown}.${claims}.AAAA`), ['invalid signature, no keys found']);
  assert.deepEqual(await reasonOf('a.b.c'), []);
  const pod = { namespace: 'default', name: 'p', uid: 'uid-p' };
  const spec = { containers: [] };
  const deletionTimestamp = new Date(clock.now()).toISOString();
  objects.put(Pod, { metadata: { ...pod, deletionTimestamp }, spec });
  assert.ok(await accounts.authenticate(token));
  await clock.advance(61_000);
  const invalidated = 'service account token has been invalidated';
  assert.deepEqual(await reasonOf(token), [invalidated]);
  objects.put(Pod, { metadata: { ...pod, uid: 'other' }, spec });
  assert.deepEqual(await reasonOf(token), ['pod UID (other) does not match pod ref claim (uid-p)']);
  objects.remove(Pod, 'default', 'p');
  assert.deepEqual(await reasonOf(token), [invalidated]);
  objects.put(ServiceAccount, { metadata: { namespace: 'default', name: 'robot', uid: 'another' } });
  assert.deepEqual(await reasonOf(token), ['service account UID (another) does not match claim (uid-robot)']);
  objects.remove(ServiceAccount, 'default', 'robot');
  assert.deepEqual(await reasonOf(token), ['serviceaccounts "robot" not found']);
  await clock.advance(hourMs);
  assert.deepEqual(await reasonOf(token), ['service account token has expired']);
});

test('clocks of servers may differ by a minute in what a token says of times', async () => {
  const { accounts, tokens, clock } = setUp();
  const now = clock.now() / 1000;
  const reasonFor = async (claims: object) => {
    const issued = tokens.verify(accounts.issue(facts).token);
    const reasons: string[] = [];
    const found = await accounts.authenticate(tokens.sign({ ...issued, ...claims }), undefined, (reason) =>
      reasons.push(reason),
    );
    return found ? 'good' : reasons[0];
  };
  const rows: [object, string][] = [
    [{ exp: now - 60 }, 'good'],
    [{ exp: now - 61 }, 'service account token has expired'],
    [{ nbf: now + 60 }, 'good'],
    [{ nbf: now + 61 }, 'service account token is not valid yet'],
    [{ iat: now + 60 }, 'good'],
    [{ iat: now + 61 }, 'service account token is issued in the future'],
    [{ exp: now - 61, nbf: now + 61 }, 'service account token is not valid yet'],
  ];
  for (const [claims, expected] of rows)
    assert.equal(await reasonFor(claims), expected, JSON.stringify(claims));
});

test('tokens of other keys, changed tokens and garbage are not tokens', async () => {
  const { accounts, tokens } = setUp();
  const { token } = accounts.issue(facts);
  const [header, claims, signature] = token.split('.') as [string, string, string];
  const other = new JsonWebTokens(keys());
  const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  const changed = Buffer.from(claims, 'base64url').toString().replace('robot', 'admin');
  const bad = [
    other.sign({ iss: audience }),
    `${header}.${Buffer.from(changed).toString('base64url')}.${signature}`,
    `${unsigned}.${claims}.`,
    `${header}.${claims}.AAAA`,
    'a.b.c',
    '...',
    'x'.repeat(100_000),
    tokens.sign({ iss: audience, exp: 'soon' }),
  ];
  for (const text of bad) assert.equal(await accounts.authenticate(text), undefined, text.slice(0, 60));
});

test('RSA keys work too, and keys before a rotation go on checking', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const old = new JsonWebTokens({
    privateKey: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  const formerPublicKeys = [rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()];
  const rotated = new JsonWebTokens({ ...keys(), formerPublicKeys });
  assert.deepEqual(rotated.verify(old.sign({ sub: 'x' })), { sub: 'x' });
  assert.deepEqual(rotated.algorithms, ['ES256', 'RS256']);
  assert.equal(rotated.publicKeys().length, 2);
  assert.ok(
    rotated.publicKeys().every((key) => !('d' in key)),
    'no private part is shown',
  );
});

test('the token of a token Secret is good while the Secret holds it', async () => {
  const { accounts, objects } = setUp();
  const token = accounts.issueForSecret('default', 's', { name: 'robot', uid: 'uid-robot' });
  assert.equal(await accounts.authenticate(token), undefined);
  const data = { token: Buffer.from(token).toString('base64') };
  objects.put(Secret, { metadata: { namespace: 'default', name: 's' }, data });
  assert.equal((await accounts.authenticate(token))?.user.name, 'system:serviceaccount:default:robot');
});

test("the token of a token Secret is refused in upstream's words", async () => {
  const { accounts, objects, tokens } = setUp();
  const token = accounts.issueForSecret('default', 's', { name: 'robot', uid: 'uid-robot' });
  const reasonOf = async (refused: string, audiences?: string[]) => {
    const reasons: string[] = [];
    assert.equal(await accounts.authenticate(refused, audiences, (why) => reasons.push(why)), undefined);
    return reasons[0];
  };
  assert.equal(
    await reasonOf(token, ['x']),
    `token audiences ["${audience}"] is invalid for the target audiences ["x"]`,
  );
  const claims = tokens.verify(token)!;
  for (const [name, problem] of [
    ['sub', 'sub claim is missing'],
    ['kubernetes.io/serviceaccount/namespace', 'namespace claim is missing'],
    ['kubernetes.io/serviceaccount/secret.name', 'secretName claim is missing'],
    ['kubernetes.io/serviceaccount/service-account.name', 'serviceAccountName claim is missing'],
    ['kubernetes.io/serviceaccount/service-account.uid', 'serviceAccountUID claim is missing'],
  ] as const)
    assert.equal(await reasonOf(tokens.sign({ ...claims, [name]: undefined })), problem);
  const others = tokens.sign({ ...claims, sub: 'system:serviceaccount:default:other' });
  assert.equal(await reasonOf(others), 'sub claim is invalid');
  const metadata = { namespace: 'default', name: 's' };
  const data = { token: Buffer.from(token).toString('base64') };
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  assert.equal(await reasonOf(token), 'Token has been invalidated');
  objects.put(Secret, { metadata: { ...metadata, deletionTimestamp }, data });
  assert.equal(await reasonOf(token), 'Token has been invalidated');
  objects.put(Secret, { metadata, data: { token: 'eA==' } });
  assert.equal(await reasonOf(token), "Token does not match server's copy");
  const labels = { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' };
  objects.put(Secret, { metadata: { ...metadata, labels }, data });
  assert.match(
    (await reasonOf(token))!,
    /^the token in secret default\/s for service account default\/robot has been marked invalid\. Use tokens /,
  );
  const account = { namespace: 'default', name: 'robot', uid: 'uid-robot' };
  objects.put(ServiceAccount, { metadata: { ...account, deletionTimestamp } });
  assert.equal(await reasonOf(token), 'ServiceAccount default/robot has been deleted');
  objects.put(ServiceAccount, { metadata: { ...account, uid: 'another' } });
  assert.equal(await reasonOf(token), 'ServiceAccount UID (another) does not match claim (uid-robot)');
  objects.remove(ServiceAccount, 'default', 'robot');
  assert.equal(await reasonOf(token), 'serviceaccounts "robot" not found');
});

test('a bootstrap token is good until it expires and when its Secret allows authentication', async () => {
  const { objects, clock } = setUp();
  const encode = (fields: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
  const fields = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:wherry',
    expiration: new Date(clock.now() + hourMs).toISOString(),
  };
  const metadata = { namespace: 'kube-system', name: 'bootstrap-token-abcdef' };
  const put = (more: Record<string, string>) => {
    const data = encode({ ...fields, ...more });
    objects.put(Secret, { metadata, type: 'bootstrap.kubernetes.io/token', data });
  };
  const authenticate = bootstrapTokens(objects, clock);
  const faulty: Record<string, string>[] = [
    { 'auth-extra-groups': 'system:bootstrappers:wherry,' },
    { 'auth-extra-groups': 'system:masters' },
    { expiration: '2999-01-01' },
  ];
  for (const wrong of faulty) {
    put(wrong);
    assert.equal(await authenticate('abcdef.0123456789abcdef'), undefined, JSON.stringify(wrong));
  }
  put({ 'auth-extra-groups': 'system:bootstrappers:b,system:bootstrappers:a,system:bootstrappers:b' });
  assert.deepEqual((await authenticate('abcdef.0123456789abcdef'))?.user.groups, [
    'system:bootstrappers',
    'system:bootstrappers:a',
    'system:bootstrappers:b',
  ]);
  put({});
  assert.deepEqual((await authenticate('abcdef.0123456789abcdef'))?.user, {
    name: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:wherry'],
  });
  assert.equal(await authenticate('abcdef.0123456789abcdeg'), undefined);
  await clock.advance(hourMs);
  assert.equal(await authenticate('abcdef.0123456789abcdef'), undefined);
});

test('the chain: no credential is anonymous, a bad one is refused, a good one is authenticated', async () => {
  const authenticate = createAuthenticator([
    staticTokens(new Map([['good', { name: 'ann', groups: ['a'] }]])),
  ]);
  assert.equal((await authenticate(request({}))).name, 'system:anonymous');
  for (const authorization of ['Bearer ', 'bearer  good', 'Basic good'])
    assert.equal((await authenticate(request({ authorization }))).name, 'system:anonymous');
  assert.match(authorizationWarning('bearer  good')!, /contains extra space before the bearer token/);
  assert.equal(authorizationWarning('Bearer good'), undefined);
  assert.deepEqual(await authenticate(request({ authorization: 'Bearer good' })), {
    name: 'ann',
    groups: ['a', 'system:authenticated'],
  });
  await assert.rejects(authenticate(request({ authorization: 'Bearer bad' })), { code: 401 });
});

const listPods = {
  verb: 'list',
  isResource: true,
  path: '/api/v1/pods',
  group: '',
  version: 'v1',
  resource: 'pods',
  namespace: '',
  name: '',
  subresource: '',
  rest: '',
};

/** Allows what `isAllowed` says, and notes what it was asked. */
function askedAuthorizer(isAllowed: (asked: string) => boolean) {
  const asked: string[] = [];
  const authorize = (attributes: { verb: string; resource: string; name: string }) => {
    const text = `${attributes.verb} ${attributes.resource} ${attributes.name}`.trim();
    asked.push(text);
    return { allowed: isAllowed(text) };
  };
  return { asked, authorize };
}

/** Whom the caller acts as; unless `lastModes` says otherwise, nothing is known of it yet. */
function toListPods(
  asked: ApiRequest,
  {
    lastModes = new LastModes(),
    ...given
  }: Omit<ImpersonationRequest, 'info' | 'lastModes'> & { lastModes?: LastModes },
) {
  return impersonate(asked, { ...given, info: listPods, lastModes });
}

const robot = 'system:serviceaccount:ns:robot';

test('impersonation asks for every part, in the old way when no narrow one is open', async () => {
  const caller: UserInfo = { name: 'root', groups: [] };
  const { asked, authorize } = askedAuthorizer((text) => text.startsWith('impersonate '));
  const headers = {
    'impersonate-user': 'bob',
    'impersonate-group': 'a,b',
    'impersonate-extra-scopes': 'view',
  };
  const { user } = await toListPods(request(headers), { caller, authorize });
  assert.deepEqual(user, {
    name: 'bob',
    groups: ['a', 'b', 'system:authenticated'],
    extra: { scopes: ['view'] },
  });
  assert.deepEqual(asked, [
    'impersonate-on:user-info:list pods',
    'impersonate users bob',
    'impersonate groups a',
    'impersonate groups b',
    'impersonate userextras view',
  ]);
  const { user: account } = await toListPods(request({ 'impersonate-user': robot }), { caller, authorize });
  assert.deepEqual(account.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:ns',
    'system:authenticated',
  ]);
  assert.deepEqual(await toListPods(request({}), { caller, authorize }), { user: caller });
});

test('a key of extra values that is not well encoded stands as it came', async () => {
  const { authorize } = askedAuthorizer(() => true);
  const headers = { 'impersonate-user': 'bob', 'impersonate-extra-%zz': 'a', 'impersonate-extra-a%2fb': 'c' };
  const caller: UserInfo = { name: 'root', groups: [] };
  const { user } = await toListPods(request(headers), { caller, authorize });
  assert.deepEqual(user.extra, { '%zz': ['a'], 'a/b': ['c'] });
});

test('a narrow impersonation needs the right to be the user and to do as that user what is asked', async () => {
  const rows: [user: string, caller: UserInfo, rights: string[], groups: string[]][] = [
    [
      'bob',
      { name: 'eve', groups: [] },
      ['impersonate-on:user-info:list pods', 'impersonate:user-info users bob'],
      ['system:authenticated'],
    ],
    [
      robot,
      { name: 'eve', groups: [] },
      ['impersonate-on:serviceaccount:list pods', 'impersonate:serviceaccount serviceaccounts robot'],
      ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    ],
    [
      'system:node:n1',
      { name: 'eve', groups: [] },
      ['impersonate-on:arbitrary-node:list pods', 'impersonate:arbitrary-node nodes n1'],
      ['system:nodes', 'system:authenticated'],
    ],
    [
      'system:node:n1',
      { name: robot, groups: [], extra: { 'authentication.kubernetes.io/node-name': ['n1'] } },
      ['impersonate-on:associated-node:list pods', 'impersonate:associated-node nodes *'],
      ['system:nodes', 'system:authenticated'],
    ],
  ];
  for (const [name, caller, rights, groups] of rows) {
    const asRequest = request({ 'impersonate-user': name });
    const { asked, authorize } = askedAuthorizer((text) => rights.includes(text));
    const { user, constraint } = await toListPods(asRequest, { caller, authorize });
    assert.deepEqual([user.name, user.groups], [name, groups]);
    const narrow = rights.map((right) => /^impersonate:\S+/.exec(right)?.[0]).find(Boolean);
    assert.equal(constraint, narrow);
    assert.deepEqual(asked, rights);
    for (const right of rights) {
      const without = askedAuthorizer((text) => rights.includes(text) && text !== right);
      await assert.rejects(
        toListPods(asRequest, { caller, authorize: without.authorize }),
        { code: 403 },
        right,
      );
    }
  }
});

test('whoever has impersonated before gets the refusal of the mode in which it succeeded', async () => {
  const caller = { name: 'eve', groups: [] };
  const { authorize } = askedAuthorizer((text) => text === 'impersonate users bob');
  const given = { caller, authorize, lastModes: new LastModes() };
  const asCarol = () => toListPods(request({ 'impersonate-user': 'carol' }), given);
  await assert.rejects(asCarol(), { message: /cannot impersonate-on:user-info:list resource "pods"/ });
  await toListPods(request({ 'impersonate-user': 'bob' }), given);
  await assert.rejects(asCarol(), {
    message:
      'users "carol" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope',
  });
});

test('groups of an impersonated user are those that were named, and the one that follows from them', async () => {
  const { authorize } = askedAuthorizer(() => true);
  const groupsOf = async (user: string, groups?: string) => {
    const caller = { name: 'eve', groups: [] };
    const named = { 'impersonate-user': user, ...(groups !== undefined && { 'impersonate-group': groups }) };
    return (await toListPods(request(named), { caller, authorize })).user.groups;
  };
  assert.deepEqual(await groupsOf('bob'), ['system:authenticated']);
  assert.deepEqual(await groupsOf('bob', 'system:unauthenticated'), ['system:unauthenticated']);
  assert.deepEqual(await groupsOf('bob', ''), ['', 'system:authenticated']);
  assert.deepEqual(await groupsOf('system:anonymous', 'a'), ['a', 'system:unauthenticated']);
  assert.deepEqual(await groupsOf('system:serviceaccount:a:b'), [
    'system:serviceaccounts',
    'system:serviceaccounts:a',
    'system:authenticated',
  ]);
  assert.deepEqual(await groupsOf('system:serviceaccount:A:b'), ['system:authenticated']);
});

test('a user who may not impersonate gets the refusal of the first mode', async () => {
  const caller: UserInfo = { name: 'eve', groups: [] };
  const { authorize } = askedAuthorizer(() => false);
  await assert.rejects(toListPods(request({ 'impersonate-user': 'bob' }), { caller, authorize }), {
    message:
      'pods is forbidden: User "eve" cannot impersonate-on:user-info:list resource "pods" in API group "" at the cluster scope',
  });
  const all = askedAuthorizer((text) => !text.startsWith('impersonate '));
  const masters = request({ 'impersonate-user': 'bob', 'impersonate-group': 'system:masters' });
  await assert.rejects(toListPods(masters, { caller, authorize: all.authorize }), {
    message: /impersonating the system:masters group is not allowed$/,
  });
  await assert.rejects(toListPods(request({ 'impersonate-group': 'a' }), { caller, authorize }), {
    message:
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)} without impersonating a user name',
  });
});
