import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { findCondition } from '../../src/api/conditions.ts';
import type { Draft } from '../../src/api/meta.ts';
import { CertificateSigningRequest, Secret, ServiceAccount } from '../../src/api/resources.gen.ts';
import { undefinedIfNotFound } from '../../src/api/status.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import { createAuthority, createSigningRequest } from '../../src/base/x509/pki.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { Gate } from './gate.ts';

const authority = await createAuthority('test');
const kubeletClient = 'kubernetes.io/kube-apiserver-client-kubelet';

async function ask(
  cluster: Cluster,
  name: string,
  subject: { commonName: string; organizations?: string[] },
  signerName: string,
) {
  const { request } = await createSigningRequest(subject);
  const usages = ['digital signature', 'client auth'];
  const spec = { request: Buffer.from(request).toString('base64'), signerName, usages };
  await cluster.client.create(CertificateSigningRequest, {
    metadata: { name },
    spec,
  } as Draft<CertificateSigningRequest>);
}
const read = (cluster: Cluster, name: string) => cluster.client.get(CertificateSigningRequest, { name });
/** Signing is real work in other threads: virtual time alone does not bring it about. */
async function until(cluster: Cluster, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500 && !(await condition()); tries++) {
    await cluster.clock.advance(1);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.ok(await condition());
}

test('a kubelet’s request is approved and signed by itself', async () => {
  await using cluster = await createCluster({ signingAuthority: authority });
  await ask(
    cluster,
    'node',
    { commonName: 'system:node:n1', organizations: ['system:nodes'] },
    kubeletClient,
  );
  await until(cluster, async () => (await read(cluster, 'node')).status?.certificate !== undefined);
  const { status } = await read(cluster, 'node');
  assert.equal(findCondition(status?.conditions, 'Approved')?.reason, 'AutoApproved');
  const certificate = new X509Certificate(Buffer.from(status!.certificate!, 'base64'));
  assert.ok(certificate.checkIssued(new X509Certificate(authority.cert)));
  assert.match(certificate.subject, /CN=system:node:n1/);
});

test('a request that its signer may not grant is refused, and others wait for approval', async () => {
  await using cluster = await createCluster({ signingAuthority: authority });
  await ask(cluster, 'stranger', { commonName: 'jane' }, kubeletClient);
  await ask(cluster, 'user', { commonName: 'jane' }, 'kubernetes.io/kube-apiserver-client');
  await ask(cluster, 'proxy', { commonName: 'front-proxy-client' }, 'kubernetes.io/kube-apiserver-client');
  await cluster.clock.advance(1_000);
  for (const name of ['stranger', 'user', 'proxy']) {
    const csr = await read(cluster, name);
    assert.equal(csr.status?.conditions, undefined, name);
    const approval = { type: 'Approved', status: 'True', reason: 'ByHand', message: '' };
    await cluster.client.update(
      CertificateSigningRequest,
      { ...csr, status: { conditions: [approval] } },
      { subresource: 'approval' },
    );
  }
  await until(cluster, async () => (await read(cluster, 'user')).status?.certificate !== undefined);
  for (const name of ['stranger', 'proxy']) {
    await until(
      cluster,
      async () => findCondition((await read(cluster, name)).status?.conditions, 'Failed') !== undefined,
    );
    assert.equal((await read(cluster, name)).status?.certificate, undefined);
  }
});

test('undecided requests are removed after a day', async () => {
  // Only what the rule needs: a day of a whole cluster's leases takes a while.
  await using cluster = await createCluster({ nodes: 0, scheduler: false, controllers: ['csrcleaner'] });
  await ask(cluster, 'user', { commonName: 'jane' }, 'kubernetes.io/kube-apiserver-client');
  await cluster.clock.advance(23 * 3_600_000);
  assert.equal((await cluster.client.list(CertificateSigningRequest)).items.length, 1);
  await cluster.clock.advance(3 * 3_600_000);
  assert.equal((await cluster.client.list(CertificateSigningRequest)).items.length, 0);
});

test('requests are removed by a controller that never runs for long', async () => {
  await using cluster = await createCluster({ nodes: 0, scheduler: false, controllers: ['csrcleaner'] });
  const { client, clock } = cluster;
  await ask(cluster, 'user', { commonName: 'jane' }, 'kubernetes.io/kube-apiserver-client');
  const csr = await read(cluster, 'user');
  const denial = { type: 'Denied', status: 'True' as const, reason: 'ByHand', message: '' };
  await client.update(
    CertificateSigningRequest,
    { ...csr, status: { conditions: [denial] } },
    { subresource: 'approval' },
  );
  for (let halfHours = 0; halfHours < 3; halfHours++) {
    await clock.advance(1_800_000);
    await cluster.stopControllers();
    cluster.startControllers();
  }
  await clock.advance(1_000);
  assert.equal((await client.list(CertificateSigningRequest)).items.length, 0);
});

test('a secret for a service account gets its token, and goes with the account', async () => {
  await using cluster = await createCluster({
    issueSecretToken: (_namespace, name, account) => `token of ${account.name} in ${name}`,
  });
  const { client } = cluster;
  const namespace = 'default';
  await client.create(ServiceAccount, { metadata: { name: 'robot', namespace } });
  const annotations = { 'kubernetes.io/service-account.name': 'robot' };
  await client.create(Secret, {
    metadata: { name: 'key', namespace, annotations },
    type: 'kubernetes.io/service-account-token',
  });
  await cluster.until(
    async () => (await client.get(Secret, { name: 'key', namespace })).data?.token !== undefined,
    10_000,
  );
  const { data } = await client.get(Secret, { name: 'key', namespace });
  const text = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString();
  assert.deepEqual(
    [text('token'), text('ca.crt'), text('namespace')],
    ['token of robot in key', 'test authority', namespace],
  );
  await client.delete(ServiceAccount, { name: 'robot', namespace });
  await cluster.until(
    () =>
      client.get(Secret, { name: 'key', namespace }).then(
        () => false,
        () => true,
      ),
    10_000,
  );
});

test('a secret gets the token of the account that has the name now, though the cache shows an earlier one', async () => {
  const namespace = 'default';
  const gate = new Gate();
  await using cluster = await createCluster({
    nodes: 0,
    scheduler: false,
    controllers: ['tokensecret'],
    wrapTransport: (transport) => gate.wrap(transport),
    issueSecretToken: (_namespace, _secret, account) => account.uid,
  });
  const { client, clock } = cluster;
  const account = { name: 'robot', namespace };
  await client.create(ServiceAccount, { metadata: { ...account } });
  await clock.advance(1_000);
  gate.hold(ServiceAccount);
  await client.delete(ServiceAccount, account);
  const { metadata: renewed } = await client.create(ServiceAccount, { metadata: { ...account } });
  const annotations = { 'kubernetes.io/service-account.name': 'robot' };
  await client.create(
    Secret,
    sparse<Draft<Secret>>({
      metadata: { name: 'key', namespace, annotations },
      type: 'kubernetes.io/service-account-token',
    }),
  );
  await clock.advance(1_000);
  const token = async () =>
    (await client.get(Secret, { name: 'key', namespace }).catch(undefinedIfNotFound))?.data?.token;
  const wanted = Buffer.from(renewed.uid).toString('base64');
  assert.equal(await token(), wanted);
  gate.release();
  await clock.advance(10_000);
  assert.equal(await token(), wanted);
});
