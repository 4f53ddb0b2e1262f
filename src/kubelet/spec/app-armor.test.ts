import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { testPod } from '../pod.fixture.ts';
import { appArmorProfileOf, needsAppArmor } from './app-armor.ts';
import { containerSecurityContext } from './security-context.ts';

const localhost = { type: 'Localhost', localhostProfile: 'mine' } as const;
const unconfined = { type: 'Unconfined' } as const;
const key = 'container.apparmor.security.beta.kubernetes.io/c';

function annotated(pod: Pod, value: string): Pod {
  return { ...pod, metadata: { ...pod.metadata, annotations: { [key]: value } } };
}

test("a container's profile is its own, or of its annotation, or else the pod's", () => {
  const pod = testPod({ securityContext: { appArmorProfile: unconfined } });
  const own = { name: 'c', securityContext: { appArmorProfile: localhost } };
  const rows: [Pod, Parameters<typeof appArmorProfileOf>[1], unknown][] = [
    [testPod(), { name: 'c' }, undefined],
    [pod, { name: 'c' }, unconfined],
    [pod, own, localhost],
    [annotated(pod, 'localhost/mine'), { name: 'c' }, localhost],
    [annotated(pod, 'runtime/default'), { name: 'c' }, { type: 'RuntimeDefault' }],
    [annotated(pod, 'runtime/default'), { name: 'other' }, unconfined],
    [annotated(pod, 'no such form'), { name: 'c' }, unconfined],
    [annotated(testPod(), 'unconfined'), own, localhost],
  ];
  for (const [of, container, profile] of rows) assert.deepEqual(appArmorProfileOf(of, container), profile);
});

test('a pod needs AppArmor if anything of it is to be confined', () => {
  const withInit = (type: 'RuntimeDefault' | 'Unconfined') =>
    testPod({ initContainers: [{ name: 'i', securityContext: { appArmorProfile: { type } } }] });
  assert.equal(needsAppArmor(testPod()), false);
  assert.equal(needsAppArmor(withInit('Unconfined')), false);
  assert.equal(needsAppArmor(withInit('RuntimeDefault')), true);
  assert.equal(needsAppArmor(testPod({ securityContext: { appArmorProfile: localhost } })), true);
  assert.equal(needsAppArmor(annotated(testPod(), 'unconfined')), false);
  assert.equal(needsAppArmor(annotated(testPod(), 'localhost/x')), true);
});

test('the runtime is told of the profile in both of the forms that its versions read', () => {
  const context = containerSecurityContext(
    annotated(testPod(), 'localhost/mine'),
    { name: 'c' },
    {
      seccompRoot: '/s',
      seccompDefault: false,
      supplementalGroups: [],
      userNamespace: { mode: 'NODE' },
      imageUser: { uid: 0, username: '' },
    },
  );
  assert.deepEqual(context.apparmor, { profileType: 'Localhost', localhostRef: 'mine' });
  assert.equal(context.apparmorProfile, 'localhost/mine');
});
