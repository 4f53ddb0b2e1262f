import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { KindDefinition } from '../kinds/kind.ts';
import type { KubeObject } from '../meta.ts';
import { asKubeObject } from '../schema/decode.ts';
import { daemonSetKind } from './daemon-set.ts';
import { deploymentKind } from './deployment.ts';
import { statefulSetKind } from './stateful-set.ts';

const labels = { a: 'b' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const base = { selector: { matchLabels: labels }, template };

function defaulted(
  kind: { defaults?: (object: never) => void },
  spec: object,
): Record<string, never> & { spec: never } {
  const object = { metadata: { name: 'x' }, spec: structuredClone(spec) };
  kind.defaults!(object as never);
  return object as never;
}

function fields(kind: unknown, spec: object): string[] {
  const definition = kind as KindDefinition;
  const object = asKubeObject(defaulted(definition, spec));
  return [...definition.validate(object, { subresource: '' })].map(({ field }) => field);
}

test('a StatefulSet may mount what its claims will give', () => {
  const mounting = structuredClone(template) as { spec: { containers: { volumeMounts?: object[] }[] } };
  mounting.spec.containers[0]!.volumeMounts = [{ name: 'data', mountPath: '/data' }];
  const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const claims = [{ metadata: { name: 'data' }, spec: claimSpec }];
  assert.deepEqual(
    fields(statefulSetKind, { ...base, template: mounting, volumeClaimTemplates: claims }),
    [],
  );
  assert.deepEqual(fields(deploymentKind, { ...base, template: mounting }), [
    'spec.template.spec.containers[0].volumeMounts[0].name',
  ]);
});

test('the claims of a new StatefulSet and its pods are validated; on update, what was valid before stays so', () => {
  const claims = [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }];
  const nameless = { ...template, spec: { containers: [{ image: 'i', terminationMessagePolicy: 'File' }] } };
  assert.ok(
    fields(statefulSetKind, { ...base, volumeClaimTemplates: claims }).includes(
      'spec.volumeClaimTemplates[0].spec.resources[storage]',
    ),
  );
  assert.ok(
    fields(statefulSetKind, { ...base, template: nameless }).includes(
      'spec.template.spec.containers[0].name',
    ),
  );
  const change = (old: object, now: object) => {
    const set = (spec: object) => defaulted(statefulSetKind as never, { ...base, ...spec }) as never;
    const context = { subresource: '', isUpdate: true };
    return [
      ...statefulSetKind.validate(set(now), context),
      ...statefulSetKind.validateUpdate!(set(now), set(old), context),
    ].map(({ field }) => field);
  };
  assert.deepEqual(change({ template: nameless }, { template: nameless, replicas: 2 }), []);
  assert.ok(change({}, { template: nameless }).includes('spec.template.spec.containers[0].name'));
  assert.deepEqual(change({ volumeClaimTemplates: claims }, { volumeClaimTemplates: claims }), []);
});

test('the claims of a stored StatefulSet are left as they are', () => {
  const spec = defaulted(statefulSetKind as never, {
    ...base,
    volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }],
  }).spec as { volumeClaimTemplates: object[] };
  const stored = spec.volumeClaimTemplates.map((claim) => Object.freeze(claim));
  const set = { metadata: { name: 'x' }, spec: { ...spec, volumeClaimTemplates: stored } };
  statefulSetKind.defaults!(set as never);
  assert.deepEqual(set.spec.volumeClaimTemplates, stored);
});

test('strategies leave room for an update', () => {
  const rolling = (maxUnavailable: unknown, maxSurge: unknown) => ({
    rollingUpdate: { maxUnavailable, maxSurge },
  });
  assert.deepEqual(fields(deploymentKind, { ...base, strategy: rolling(0, 0) }), [
    'spec.strategy.rollingUpdate.maxUnavailable',
  ]);
  assert.deepEqual(fields(deploymentKind, { ...base, strategy: rolling('0%', 1) }), []);
  assert.deepEqual(fields(daemonSetKind, { ...base, updateStrategy: rolling(1, 1) }), [
    'spec.updateStrategy.rollingUpdate.maxSurge',
  ]);
  assert.deepEqual(fields(daemonSetKind, { ...base, updateStrategy: rolling(0, 1) }), []);
});

test('old versions have the defaults that they had', () => {
  const old = (kind: KindDefinition, group: string, version: string) => {
    const served = kind.versions.find((each) => each.group === group && each.version === version)!;
    const object = sparse<KubeObject & { spec: object }>({
      metadata: { name: 'x' },
      spec: { template: structuredClone(template) },
    });
    served.defaults?.(object);
    const stored = served.toStored(object);
    kind.defaults!(stored);
    return stored as unknown as { metadata: { labels?: object }; spec: Record<string, unknown> };
  };
  const deployment = old(deploymentKind as KindDefinition, 'extensions', 'v1beta1');
  assert.deepEqual(deployment.spec.selector, { matchLabels: labels });
  assert.deepEqual(deployment.metadata.labels, labels);
  assert.deepEqual(deployment.spec.strategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 1 },
  });
  assert.equal(deployment.spec.progressDeadlineSeconds, 2147483647);
  assert.equal(old(deploymentKind as KindDefinition, 'apps', 'v1beta1').spec.revisionHistoryLimit, 2);
  const stateful = old(statefulSetKind as KindDefinition, 'apps', 'v1beta1');
  assert.deepEqual(stateful.spec.updateStrategy, { type: 'OnDelete' });
  assert.deepEqual(old(daemonSetKind as KindDefinition, 'extensions', 'v1beta1').spec.updateStrategy, {
    type: 'OnDelete',
  });
});

test('a selector stays, but for the versions that let it change', () => {
  const [old, next] = ['b', 'c'].map((value) => ({ spec: { selector: { matchLabels: { a: value } } } }));
  const errors = (apiVersion: string) =>
    [...deploymentKind.validateUpdate!(next as never, old as never, { subresource: '', apiVersion })].length;
  assert.deepEqual(
    [errors('apps/v1'), errors('apps/v1beta2'), errors('apps/v1beta1'), errors('extensions/v1beta1')],
    [1, 1, 0, 0],
  );
});

for (const definition of [deploymentKind, daemonSetKind, statefulSetKind] as unknown[] as KindDefinition[])
  test(`the collision count of a ${definition.type.kind} only grows`, () => {
    const having = (collisionCount?: number) =>
      asKubeObject({ ...defaulted(definition, base), status: sparse({ collisionCount }) });
    const refused = (now: number | undefined, before: number | undefined) => {
      const context = { subresource: 'status', isUpdate: true };
      return [...definition.validateUpdate!(having(now), having(before), context as never)].map(
        ({ text }) => text,
      );
    };
    const decremented = (value: number) => [
      `status.collisionCount: Invalid value: ${value}: cannot be decremented`,
    ];
    assert.deepEqual(refused(1, 2), decremented(1));
    assert.deepEqual(refused(undefined, 1), decremented(0));
    assert.deepEqual(refused(undefined, 0), decremented(0));
    assert.deepEqual([...refused(2, 1), ...refused(1, 1), ...refused(0, undefined)], []);
    assert.deepEqual(refused(undefined, undefined), []);
  });
