import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { silentLogger } from '../../../base/logger.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { Client } from '../../../client/client.ts';
import type { EventRecorder } from '../../../client/events/event-recorder.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import { testPod } from '../../pod.fixture.ts';
import type { NodeFacts } from '../../spec/field-paths.ts';
import { GrowingClaims } from './growing-claims.ts';

const pod = testPod();
const { uid } = pod.metadata;

/** A claim of 1Gi that asks for 2Gi, and a volume of that size. */
class World {
  readonly clock = new VirtualClock();
  readonly events: string[] = [];
  readonly patches: unknown[] = [];
  reads = 0;
  unreachable: Error | undefined;
  failure: Error | undefined;
  readonly claim = sparse<PersistentVolumeClaim>({
    metadata: { name: 'data', namespace: 'shop', uid: 'c' },
    spec: { volumeName: 'pv', resources: { requests: { storage: '2Gi' } } },
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, conditions: [] },
  });
  readonly #objects: Record<string, object> = {
    PersistentVolumeClaim: this.claim,
    PersistentVolume: sparse<PersistentVolume>({
      metadata: { name: 'pv' },
      spec: { capacity: { storage: '2Gi' } },
    }),
  };
  readonly claims = new GrowingClaims({
    client: sparse<Client>({
      get: async (type: { kind: string }) => this.#read(type.kind),
      patch: async (_type: object, _at: object, patch: object) => void this.patches.push(patch),
    } as Partial<Client>),
    clock: this.clock,
    logger: silentLogger,
    recorder: sparse<EventRecorder>({
      event: ({ kind }, type, reason, message) =>
        void this.events.push(`${kind} ${type} ${reason}: ${message}`),
    }),
    expand: async () => {
      if (this.failure) throw this.failure;
      return true;
    },
    node: () => sparse<NodeFacts>({ nodeName: 'n' }),
  });

  dueInMs(): number {
    return this.claims.lookDueMs(uid)! - this.clock.now();
  }

  #read(kind: string): object {
    this.reads++;
    if (this.unreachable) throw this.unreachable;
    return this.#objects[kind]!;
  }
}

test('a volume that is larger than its claim has is filled, and both are reported', async () => {
  const world = new World();
  await world.claims.follow(pod, 'v', 'data');
  assert.deepEqual(world.patches, [
    {
      metadata: { uid: 'c' },
      status: { capacity: { storage: '2Gi' }, conditions: [], allocatedResourceStatuses: null },
    },
  ]);
  const told = 'Normal FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume "pv" n';
  assert.deepEqual(world.events, [`Pod ${told}`, `PersistentVolumeClaim ${told}`]);
  const { reads } = world;
  await world.claims.refresh(pod, 'v');
  assert.equal(world.reads, reads, 'looked at again before it is due');
  assert.equal(world.dueInMs(), 20_000);
});

test('an expansion that fails is an event, and is tried again after half a minute', async () => {
  const world = new World();
  world.failure = new Error('no room');
  await world.claims.follow(pod, 'v', 'data');
  assert.deepEqual(world.events, [
    'Pod Warning VolumeResizeFailed: MountVolume.NodeExpandVolume failed for volume "pv" : no room',
  ]);
  assert.deepEqual(world.patches, []);
  assert.equal(world.dueInMs(), 30_000);
});

test('a claim whose resizer follows the states of a resize shows why the node failed, and when it gave up', async () => {
  const world = new World();
  const { status } = world.claim;
  const pending = { type: 'FileSystemResizePending', status: 'True' };
  Object.assign(status!, {
    conditions: [pending],
    allocatedResources: { storage: '2Gi' },
    allocatedResourceStatuses: { storage: 'NodeResizePending' },
  });
  world.failure = new RuntimeError('Aborted', 'at work');
  await world.claims.follow(pod, 'v', 'data');
  assert.deepEqual(world.patches, []);

  const failAgain = async (code: 'Internal' | 'OutOfRange') => {
    world.failure = new RuntimeError(code, 'no room');
    await world.clock.advance(30_000);
    await world.claims.refresh(pod, 'v');
    const patch = world.patches.splice(0)[0] as { status: object } | undefined;
    if (patch) Object.assign(status!, patch.status);
    return patch?.status;
  };
  const condition = (code: string, second: number) => ({
    type: 'NodeResizeError',
    status: 'True',
    lastTransitionTime: `2026-01-01T00:00:${second}Z`,
    message: `failed to expand pvc with rpc error: code = ${code} desc = no room`,
  });
  assert.deepEqual(await failAgain('Internal'), { conditions: [pending, condition('Internal', 30)] });
  assert.equal(await failAgain('Internal'), undefined, 'said already');
  const { allocatedResourceStatuses } = (await failAgain('OutOfRange')) as typeof status & object;
  assert.deepEqual(allocatedResourceStatuses, { storage: 'NodeResizeInfeasible' });
  const events = world.events.length;
  assert.equal(await failAgain('Internal'), undefined);
  assert.equal(world.events.length, events, 'it is not tried any more');
});

test('a server that does not answer is no failure of a volume', async () => {
  const world = new World();
  world.unreachable = new Error('connection refused');
  await world.claims.follow(pod, 'v', 'data');
  assert.deepEqual(world.events, []);
  assert.equal(world.dueInMs(), 20_000);
});
