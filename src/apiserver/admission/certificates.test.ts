import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority, createSigningRequest } from '../../base/x509/pki.ts';
import { createTestServer, mergePatch } from '../server.fixture.ts';

const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const group = 'rbac.authorization.k8s.io';

/** A server with a user `sue` who gets rights by rules. */
async function serverWithSue() {
  const server = await createTestServer();
  const sue = server.api.localTransport({ name: 'sue', groups: ['system:authenticated'] });
  return {
    server,
    async grant(name: string, rule: object) {
      await server.ask('POST', `/apis/${group}/v1/clusterroles`, { metadata: { name }, rules: [rule] });
      await server.ask('POST', `/apis/${group}/v1/clusterrolebindings`, {
        metadata: { name },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name },
        subjects: [{ apiGroup: group, kind: 'User', name: 'sue' }],
      });
    },
    async ask(method: 'POST' | 'PATCH', path: string, body: object) {
      const contentType = method === 'PATCH' ? mergePatch : 'application/json';
      const answer = await sue.send({ method, path, body, contentType });
      if ('events' in answer) throw new Error('a watch has no single answer');
      return [answer.status, (answer.object as { message?: string }).message];
    },
  };
}

const of = { apiGroups: ['certificates.k8s.io'] };
const signers = { ...of, resources: ['signers'], resourceNames: ['example.com/*'] };

test('only who may sign for a signer says how it decided', async () => {
  const { server, grant, ask } = await serverWithSue();
  await using _ = server;
  const { request } = await createSigningRequest({ commonName: 'ann' });
  const spec = {
    request: Buffer.from(request).toString('base64'),
    signerName: 'example.com/mine',
    usages: ['client auth'],
  };
  await server.ask('POST', requests, { metadata: { name: 'c' }, spec });
  await grant('status', { ...of, resources: ['certificatesigningrequests/status'], verbs: ['patch'] });
  const conditions = [{ type: 'Failed', status: 'True', reason: 'No' }];
  const fail = () => ask('PATCH', `${requests}/c/status`, { status: { conditions } });
  assert.deepEqual(await fail(), [
    403,
    'certificatesigningrequests.certificates.k8s.io "c" is forbidden: user not permitted to sign requests with signerName "example.com/mine"',
  ]);
  await grant('sign', { ...signers, verbs: ['sign'] });
  assert.equal((await fail())[0], 200);
});

test('only who may attest for a signer says whom to trust in its name', async () => {
  const { server, grant, ask } = await serverWithSue();
  await using _ = server;
  const bundles = '/apis/certificates.k8s.io/v1beta1/clustertrustbundles';
  const { cert: trustBundle } = await createAuthority('a');
  const named = {
    metadata: { name: 'example.com:mine:a' },
    spec: { signerName: 'example.com/mine', trustBundle },
  };
  await grant('bundles', { ...of, resources: ['clustertrustbundles'], verbs: ['create', 'patch'] });
  assert.equal((await ask('POST', bundles, { metadata: { name: 'a' }, spec: { trustBundle } }))[0], 201);
  assert.deepEqual(await ask('POST', bundles, named), [
    403,
    'clustertrustbundles.certificates.k8s.io "example.com:mine:a" is forbidden: user not permitted to attest for signerName "example.com/mine"',
  ]);
  await server.ask('POST', bundles, named);
  const change = (metadata: object) => ask('PATCH', `${bundles}/${named.metadata.name}`, { metadata });
  assert.equal((await change({ labels: { a: 'b' } }))[0], 403);
  assert.equal((await change({ finalizers: ['example.com/kept'] }))[0], 200);
  await grant('attest', { ...signers, verbs: ['attest'] });
  assert.equal((await change({ labels: { a: 'b' } }))[0], 200);
});
