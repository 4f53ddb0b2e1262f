import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatefulSet } from '../../api/resources.gen.ts';
import type { PodTemplateSpec } from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planRevision, revisionData } from './controller-revision.ts';
import { newStatefulPod } from './statefulset/statefulset-pod.ts';

test('the data of a revision has its keys sorted, as kubectl writes what it compares with', () => {
  const template = sparse<PodTemplateSpec>({
    spec: { containers: [{ name: 'a', image: 'b' }] },
    metadata: { labels: { z: '1', a: '2' } },
  });
  assert.equal(
    JSON.stringify(revisionData(template)),
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","z":"1"}},"spec":{"containers":[{"image":"b","name":"a"}]}}}}',
  );
});

const template = sparse<PodTemplateSpec>({
  metadata: { labels: { app: 'a' } },
  spec: { containers: [{ name: 'c', image: 'i' }] },
});
const set = {
  metadata: { name: 'db', namespace: 'n', uid: 'u' },
  spec: { replicas: 1, template },
} as StatefulSet;

test('a revision keeps its hash under the label that its owner wants', () => {
  const request = { template, known: [], collisionCount: 0, labels: { app: 'a' } };
  const labelsFor = (hashLabel?: string) => {
    const owner = { type: StatefulSet, object: set };
    const plan = planRevision({ ...request, owner, ...(hashLabel !== undefined && { hashLabel }) });
    return plan.step === 'create' ? Object.keys(plan.draft.metadata.labels!) : [];
  };
  assert.deepEqual(labelsFor(), ['app', 'controller-revision-hash']);
  assert.deepEqual(labelsFor('controller.kubernetes.io/hash'), ['app', 'controller.kubernetes.io/hash']);
});

test('a pod of a StatefulSet has a name of its own, and says what it would be generated from', () => {
  const { name, generateName } = newStatefulPod(set, template, 3, 'db-1').metadata;
  assert.deepEqual([name, generateName], ['db-3', 'db-']);
});
