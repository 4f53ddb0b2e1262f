import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { createSigningRequest } from '../../base/x509/pki.ts';
import { createTestServer, type TestServer } from '../server.fixture.ts';

suite('conditions of requests', () => {
  const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const merge = 'application/merge-patch+json';
  let request: string;

  before(async () => {
    const made = await createSigningRequest({ commonName: 'ann' });
    request = Buffer.from(made.request).toString('base64');
  });

  async function approved(server: TestServer) {
    const spec = { request, signerName: 'example.com/mine', usages: ['client auth'] };
    assert.equal((await server.ask('POST', path, { metadata: { name: 'c' }, spec })).status, 201);
    const conditions = [{ type: 'Approved', status: 'True' }];
    const { object } = await server.ask('PATCH', `${path}/c/approval`, { status: { conditions } }, merge);
    return object.status.conditions;
  }

  async function refusal(server: TestServer, subresource: string, conditions: object[] | null) {
    const { object } = await server.ask(
      'PATCH',
      `${path}/c/${subresource}`,
      { status: { conditions } },
      merge,
    );
    return object.message;
  }

  const invalid = 'CertificateSigningRequest.certificates.k8s.io "c" is invalid: status.conditions:';

  test('an approval cannot be taken back, by neither subresource', async () => {
    await using server = await createTestServer();
    await approved(server);
    const why = `${invalid} Forbidden: updates may not remove a condition of type "Approved"`;
    assert.equal(await refusal(server, 'approval', []), why);
    assert.equal(await refusal(server, 'approval', null), why);
    assert.equal(await refusal(server, 'status', [{ type: 'Failed', status: 'True' }]), why);
  });

  test('a status keeps the decision as it is, and dates what the client did not', async () => {
    await using server = await createTestServer();
    const [decision] = await approved(server);
    assert.ok(decision.lastUpdateTime && decision.lastTransitionTime);
    await server.clock.advance(60_000);
    const changed = { type: 'Approved', status: 'True', reason: 'Other' };
    const failed = { type: 'Failed', status: 'True', reason: 'No' };
    const status = { conditions: [failed, changed] };
    const { object } = await server.ask('PATCH', `${path}/c/status`, { status }, merge);
    const [first, second] = object.status.conditions;
    assert.deepEqual(second, decision);
    assert.ok(first.lastUpdateTime > decision.lastUpdateTime);
    await server.clock.advance(60_000);
    const again = { conditions: [{ ...failed, message: 'still' }, changed] };
    const { object: later } = await server.ask('PATCH', `${path}/c/status`, { status: again }, merge);
    assert.equal(later.status.conditions[0].lastTransitionTime, first.lastTransitionTime);
    assert.ok(later.status.conditions[0].lastUpdateTime > first.lastUpdateTime);
  });

  test('a decision that a status adds is refused', async () => {
    await using server = await createTestServer();
    await approved(server);
    const denied = { type: 'Denied', status: 'True' };
    const all = [{ type: 'Approved', status: 'True' }, denied];
    assert.match(await refusal(server, 'status', all), /updates may not add a condition of type "Denied"/);
  });
});
