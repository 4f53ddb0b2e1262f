import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifests } from './static-manifest.ts';
import { asStaticPod } from './static-pods.ts';

const manifest = (image: string) =>
  readManifests(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { containers: [{ name: 'c', image }] },
    }),
  )[0]!;

test('a static pod is named after its node and tolerates to be the last one there', () => {
  const pod = asStaticPod(manifest('i:1'), 'node-1', 0);
  assert.equal(pod.metadata.name, 'web-node-1');
  assert.equal(pod.metadata.namespace, 'default');
  assert.equal(pod.metadata.annotations?.['kubernetes.io/config.source'], 'file');
  assert.deepEqual(pod.spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
  assert.equal(pod.spec.nodeName, 'node-1');
});

test('another content is another pod', () => {
  const uidOf = (image: string, nowMs = 0) => asStaticPod(manifest(image), 'n', nowMs).metadata.uid;
  assert.notEqual(uidOf('i:1'), uidOf('i:2'));
  assert.equal(uidOf('i:1'), uidOf('i:1', 5));
});
