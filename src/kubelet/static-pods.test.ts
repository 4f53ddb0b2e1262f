import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asStaticPod } from './static-pods.ts';

const manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'c', image: 'i:1' }] },
};

test('a static pod is named after its node and tolerates to be the last one there', () => {
  const pod = asStaticPod(manifest, 'node-1', 0)!;
  assert.equal(pod.metadata.name, 'web-node-1');
  assert.equal(pod.metadata.namespace, 'default');
  assert.equal(pod.metadata.annotations?.['kubernetes.io/config.source'], 'file');
  assert.deepEqual(pod.spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
  assert.equal(pod.spec.nodeName, 'node-1');
});

test('another content is another pod, and what is no pod is none', () => {
  const changed = { ...manifest, spec: { containers: [{ name: 'c', image: 'i:2' }] } };
  assert.notEqual(asStaticPod(manifest, 'n', 0)!.metadata.uid, asStaticPod(changed, 'n', 0)!.metadata.uid);
  assert.equal(asStaticPod(manifest, 'n', 0)!.metadata.uid, asStaticPod(manifest, 'n', 5)!.metadata.uid);
  assert.equal(asStaticPod({ kind: 'Service' }, 'n', 0), undefined);
  assert.equal(asStaticPod(null, 'n', 0), undefined);
});
