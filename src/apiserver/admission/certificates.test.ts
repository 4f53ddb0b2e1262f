import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigningRequest } from '../../base/x509/pki.ts';
import { createTestServer, mergePatch } from '../server.fixture.ts';

const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const group = 'rbac.authorization.k8s.io';

test('only who may sign for a signer says how it decided', async () => {
  await using server = await createTestServer();
  const { request } = await createSigningRequest({ commonName: 'ann' });
  const spec = {
    request: Buffer.from(request).toString('base64'),
    signerName: 'example.com/mine',
    usages: ['client auth'],
  };
  await server.ask('POST', requests, { metadata: { name: 'c' }, spec });
  const grant = async (name: string, rule: object) => {
    await server.ask('POST', `/apis/${group}/v1/clusterroles`, { metadata: { name }, rules: [rule] });
    await server.ask('POST', `/apis/${group}/v1/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name },
      subjects: [{ apiGroup: group, kind: 'User', name: 'sue' }],
    });
  };
  const of = { apiGroups: ['certificates.k8s.io'] };
  await grant('status', { ...of, resources: ['certificatesigningrequests/status'], verbs: ['patch'] });
  const sue = server.api.localTransport({ name: 'sue', groups: ['system:authenticated'] });
  const fail = async () => {
    const body = { status: { conditions: [{ type: 'Failed', status: 'True', reason: 'No' }] } };
    const answer = await sue.send({
      method: 'PATCH',
      path: `${requests}/c/status`,
      body,
      contentType: mergePatch,
    });
    return 'object' in answer ? [answer.status, (answer.object as { message?: string }).message] : [];
  };
  assert.deepEqual(await fail(), [
    403,
    'certificatesigningrequests.certificates.k8s.io "c" is forbidden: user not permitted to sign requests with signerName "example.com/mine"',
  ]);
  await grant('sign', { ...of, resources: ['signers'], resourceNames: ['example.com/*'], verbs: ['sign'] });
  assert.equal((await fail())[0], 200);
});
