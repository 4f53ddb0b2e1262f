import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterTrustBundle } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { ObjectSource } from '../../object-source.ts';
import { testPod } from '../../pod.fixture.ts';
import { trustAnchors } from './trust-anchors.ts';
import { volumeObjectsOf } from './volume-objects.ts';

const pem = (base64: string) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
const signer = 'example.com/signer';

const bundles = [
  { name: 'alone', labels: {}, text: `words\n${pem('Yg==')}more words\n${pem('YQ==')}${pem('Yg==')}` },
  { name: 'example.com:signer:live', labels: { state: 'live' }, signer, text: pem('Yw==') + pem('YQ==') },
  { name: 'example.com:signer:new', labels: { state: 'new' }, signer, text: pem('ZA==') + pem('YQ==') },
].map(({ name, labels, signer: signerName, text }) =>
  sparse<ClusterTrustBundle>({
    metadata: { name, labels },
    spec: { trustBundle: text, ...(signerName && { signerName }) },
  }),
);
const objects = sparse<Pick<ObjectSource, 'get' | 'select'>>({
  get: async (_type: unknown, { name }: { name: string }) =>
    bundles.find((one) => one.metadata.name === name),
  select: async (_type: unknown, selector: string) =>
    bundles.filter(({ spec }) => selector === `spec.signerName=${spec.signerName}`),
});
const anchors = (source: Partial<core.ClusterTrustBundleProjection>) =>
  trustAnchors(objects, { path: 'p', ...source });

test('trust anchors are those of one bundle, or of all of a signer that are selected, each once', async () => {
  assert.equal(await anchors({ name: 'alone' }), pem('YQ==') + pem('Yg=='));
  assert.equal(
    await anchors({ signerName: signer, labelSelector: {} }),
    pem('YQ==') + pem('Yw==') + pem('ZA=='),
  );
  const live = { matchLabels: { state: 'live' } };
  assert.equal(await anchors({ signerName: signer, labelSelector: live }), pem('YQ==') + pem('Yw=='));
});

test('trust anchors that are not there are an error in upstream’s words, unless they are optional', async () => {
  const none = /^Error: combination of signerName and labelSelector matched zero ClusterTrustBundles$/;
  const byName =
    /^Error: while getting ClusterTrustBundle: clustertrustbundle\.certificates\.k8s\.io "no" not found$/;
  await assert.rejects(anchors({ name: 'no' }), byName);
  await assert.rejects(anchors({ signerName: signer }), none, 'no selector selects nothing');
  await assert.rejects(anchors({ signerName: 'example.com/other', labelSelector: {} }), none);
  await assert.rejects(anchors({}), /requires either name or signerName to be set/);
  assert.equal(await anchors({ name: 'no', optional: true }), '');
  assert.equal(await anchors({ signerName: signer, optional: true }), '');
});

test('the bundles that a pod shows are followed while it runs', () => {
  const sources = [{ name: 'alone' }, { signerName: signer, labelSelector: {} }].map((source) => ({
    clusterTrustBundle: { path: 'p', ...source },
  }));
  const uses = volumeObjectsOf(testPod({ volumes: [{ name: 'v', projected: { sources } }] }));
  assert.deepEqual(
    uses.map(({ type, ...which }) => [type.plural, which]),
    [
      ['clustertrustbundles', { at: { name: 'alone' } }],
      ['clustertrustbundles', { fieldSelector: `spec.signerName=${signer}` }],
    ],
  );
});
