import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { notFound } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { testPod } from '../pod.fixture.ts';
import { type ClaimContext, ClaimedDevices } from './claimed-devices.ts';

const pod: Pod = testPod({ resourceClaims: [{ name: 'gpu', resourceClaimName: 'mine' }] });
const reservedFor = [{ resource: 'pods', name: pod.metadata.name, uid: pod.metadata.uid }];
const results = [{ request: 'r', driver: 'gpu.example.com', pool: 'a', device: 'gpu-0' }];

/** The message for the pod; undefined: nothing keeps it from starting. */
async function told(
  status: ResourceClaim['status'] | 'no claim',
  rootDir?: string,
): Promise<string | undefined> {
  const messages: string[] = [];
  const context = sparse<ClaimContext>({
    machine: { ...(rootDir && { rootDir }) },
    signal: new AbortController().signal,
    client: {
      get: async () => {
        if (status === 'no claim')
          throw notFound({ group: 'resource.k8s.io', plural: 'resourceclaims' }, 'mine');
        return { metadata: { name: 'mine', uid: 'u' }, spec: {}, status };
      },
    },
    recorder: {
      event: (_: unknown, type: string, reason: string, message: string) =>
        messages.push(`${type} ${reason}: ${message}`),
    },
  });
  const wait = await new ClaimedDevices(context).setUp(pod);
  assert.equal(wait !== undefined, messages.length > 0);
  return messages[0];
}

const head =
  'Warning FailedPrepareDynamicResources: Failed to prepare dynamic resources: prepare dynamic resources: ';

test('a pod whose devices no driver makes ready waits and says so', async () => {
  const allocation = { devices: { results } };
  assert.equal(
    await told({ allocation, reservedFor }, '/x'),
    `${head}DRA driver gpu.example.com is not registered`,
  );
  assert.match((await told({ allocation }, '/x'))!, /is not allowed to use ResourceClaim mine \(u\)$/);
  assert.match((await told('no claim', '/x'))!, /resourceclaims "mine" not found$/);
});

test('a claim that needs no device, and a simulated node, keep no pod waiting', async () => {
  assert.equal(await told({ allocation: { devices: {} }, reservedFor }, '/x'), undefined);
  assert.equal(await told({ allocation: { devices: { results } }, reservedFor }), undefined);
});
