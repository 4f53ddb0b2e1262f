import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifests } from './static-manifest.ts';

const pod = (spec: object, metadata: object = { name: 'web' }) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec });
const containers = [{ name: 'c', image: 'i:1' }];

test('a manifest is a pod with its defaults, a file holds any number of them', () => {
  const [first, second] = readManifests(
    `${pod({ containers })}\n---\n---\n${pod({ containers }, { name: 'b' })}`,
  );
  assert.equal(first?.pod.spec.restartPolicy, 'Always');
  assert.equal(first?.pod.spec.containers[0]?.imagePullPolicy, 'IfNotPresent');
  assert.equal(first?.pod.metadata.namespace, 'default');
  assert.deepEqual(first?.written, JSON.parse(pod({ containers })));
  assert.equal(second?.pod.metadata.name, 'b');
  assert.deepEqual(readManifests(''), []);
});

test('a static manifest that is invalid, or needs the API, is refused with the reason', () => {
  const volume = (source: object) => pod({ containers, volumes: [{ name: 'v', ...source }] });
  const container = (extra: object) => pod({ containers: [{ ...containers[0], ...extra }] });
  const env = { name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } };
  const token = { serviceAccountToken: { path: 't' } };
  const rows: [string, RegExp][] = [
    ['this is not: [yaml', /Flow sequence/],
    ['{"apiVersion":"v1","kind":"Service"}', /no Pod of v1, but Service of v1/],
    [pod({ containers }, {}), /metadata.name: Required value/],
    [pod({}), /spec.containers: Required value/],
    [pod({ containers: [{ name: 'c' }] }), /spec.containers\[0\].image: Required value/],
    [pod({ containers: 'none' }), /cannot unmarshal string/],
    [pod({ containers, serviceAccountName: 'a' }), /static pods may not reference serviceaccounts$/],
    [pod({ containers, imagePullSecrets: [{ name: 's' }] }), /reference secrets$/],
    [container({ env: [env] }), /reference secrets$/],
    [container({ envFrom: [{ configMapRef: { name: 'm' } }] }), /reference configmaps$/],
    [volume({ configMap: { name: 'm' } }), /reference configmaps \(via configmap volumes\)$/],
    [volume({ persistentVolumeClaim: { claimName: 'p' } }), /reference persistentvolumeclaims$/],
    [volume({ projected: { sources: [token] } }), /reference serviceaccounts \(via projected volumes\)$/],
  ];
  for (const [text, problem] of rows) assert.throws(() => readManifests(text), problem, text);
  assert.equal(readManifests(volume({ hostPath: { path: '/x' } })).length, 1);
  assert.equal(readManifests(volume({ emptyDir: {} })).length, 1);
});
