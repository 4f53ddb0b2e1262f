import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../../pod.fixture.ts';
import { volumeObjectsOf } from './volume-objects.ts';

test('the objects that a pod uses are those that its spec names, once each', () => {
  const pod = testPod({
    containers: [
      {
        name: 'c',
        envFrom: [{ secretRef: { name: 's' } }],
        env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }],
      },
    ],
    volumes: [{ name: 'v', configMap: { name: 'cm' } }],
    imagePullSecrets: [{ name: 'pull' }],
  });
  assert.deepEqual(
    volumeObjectsOf(pod)
      .map((use) => 'at' in use && `${use.type.kind} ${use.at.namespace}/${use.at.name}`)
      .sort(),
    ['ConfigMap ns/cm', 'Secret ns/pull', 'Secret ns/s'],
  );
});
