import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { KubeletContext } from '../../context.ts';
import { UserNamespaces } from '../../sandbox/user-namespaces.ts';
import { releasePod } from './pod-release.ts';

test('an ended pod gives its user ids back once nothing of it can run any more', async () => {
  const userNamespaces = new UserNamespaces({ random: seededRandom(1), podsDir: undefined });
  await userNamespaces.allocate('u');
  let heldWhileItMayRun: string[] = [];
  const nothing = () => undefined;
  const context = sparse<KubeletContext>({
    userNamespaces,
    volumes: sparse<KubeletContext['volumes']>({ tearDown: async () => undefined }),
    machine: sparse<KubeletContext['machine']>({
      cgroups: sparse<KubeletContext['machine']['cgroups']>({
        async remove() {
          heldWhileItMayRun = await userNamespaces.list();
        },
      }),
    }),
    devices: sparse<KubeletContext['devices']>({ release: nothing }),
    objects: sparse<KubeletContext['objects']>({ use: nothing }),
    crashBackoff: sparse<KubeletContext['crashBackoff']>({ forget: nothing }),
    images: sparse<KubeletContext['images']>({ forgetPod: nothing }),
  });
  await releasePod(context, 'u');
  assert.deepEqual(heldWhileItMayRun, ['u']);
  assert.deepEqual(await userNamespaces.list(), []);
});
