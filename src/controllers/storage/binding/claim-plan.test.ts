import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { type ClaimWorld, planClaim } from './claim-plan.ts';

const { bindCompleted, selectedNode } = volumeAnnotations;
const asked = { accessModes: ['ReadWriteOnce'] as const, resources: { requests: { storage: '1Gi' } } };
const claim = (spec: object = {}, annotations: object = {}) =>
  sparse<PersistentVolumeClaim>({
    metadata: { name: 'c', namespace: 'default', uid: 'u', annotations },
    spec: { ...asked, ...spec },
  });
const volume = (name: string, spec: object = {}) =>
  sparse<PersistentVolume>({
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, ...spec },
    status: { phase: 'Available' },
  });
const storageClass = (name: string, more: object = {}) =>
  sparse<StorageClass>({ metadata: { name }, provisioner: 'example.com/disk', ...more });

function world(more: {
  volumes?: PersistentVolume[];
  classes?: StorageClass[];
  taken?: string[];
  isDefault?: StorageClass;
  pods?: string[];
}): ClaimWorld {
  const { volumes = [], classes = [], taken = [], isDefault, pods = [] } = more;
  return {
    volume: (name) => volumes.find(({ metadata }) => metadata.name === name),
    volumes: () => volumes,
    storageClass: (name) => classes.find(({ metadata }) => metadata.name === name),
    taken: new Set(taken),
    defaultClass: () => isDefault,
    waitingPods: () => pods,
  };
}

/** In a word or two: what is done, to which volume or why. */
function outcome(given: PersistentVolumeClaim, around: ClaimWorld): string {
  const plan = planClaim(given, around);
  switch (plan.kind) {
    case 'bind':
      return `bind ${plan.volume.metadata.name}`;
    case 'setClass':
      return `setClass ${plan.className}`;
    case 'provision':
      return `provision ${plan.provisioner}`;
    default:
      return `${plan.kind} ${plan.event?.reason ?? ''}`.trim();
  }
}

const waits = { volumeBindingMode: 'WaitForFirstConsumer' };
const done = { [bindCompleted]: 'yes' };
const mine = { claimRef: { namespace: 'default', name: 'c', uid: 'u' } };
const others = { claimRef: { namespace: 'default', name: 'd', uid: 'w' } };

/** The claim, what is around it; what is done. */
const rows: [string, PersistentVolumeClaim, ClaimWorld, string][] = [
  ['finds a volume', claim({ storageClassName: '' }), world({ volumes: [volume('v')] }), 'bind v'],
  [
    'leaves volumes that are promised to others',
    claim({ storageClassName: '' }),
    world({ volumes: [volume('v'), volume('w')], taken: ['v'] }),
    'bind w',
  ],
  ['finds none, without a class', claim({ storageClassName: '' }), world({}), 'pending FailedBinding'],
  ['gets the default class', claim(), world({ isDefault: storageClass('std') }), 'setClass std'],
  [
    'that wants no class gets no default',
    claim({ storageClassName: '' }),
    world({ isDefault: storageClass('std') }),
    'pending FailedBinding',
  ],
  [
    'names a class that is not there',
    claim({ storageClassName: 'x' }),
    world({}),
    'pending ProvisioningFailed',
  ],
  [
    'is provisioned',
    claim({ storageClassName: 'x' }),
    world({ classes: [storageClass('x')] }),
    'provision example.com/disk',
  ],
  [
    'of a class without a provisioner waits for a volume',
    claim({ storageClassName: 'x' }),
    world({ classes: [storageClass('x', { provisioner: 'kubernetes.io/no-provisioner' })] }),
    'pending ProvisioningFailed',
  ],
  [
    'of a class whose provisioner moved to a driver waits for that',
    claim({ storageClassName: 'x' }),
    world({ classes: [storageClass('x', { provisioner: 'kubernetes.io/gce-pd' })] }),
    'provision pd.csi.storage.gke.io',
  ],
  [
    'waits for its first pod',
    claim({ storageClassName: 'x' }),
    world({ classes: [storageClass('x', waits)], volumes: [volume('v', { storageClassName: 'x' })] }),
    'pending WaitForFirstConsumer',
  ],
  [
    'waits for its pod to be placed',
    claim({ storageClassName: 'x' }),
    world({ classes: [storageClass('x', waits)], pods: ['web'] }),
    'pending WaitForPodScheduled',
  ],
  [
    'is provisioned once its node is chosen',
    claim({ storageClassName: 'x' }, { [selectedNode]: 'n' }),
    world({ classes: [storageClass('x', waits)] }),
    'provision example.com/disk',
  ],
  [
    'whose node is chosen leaves volumes to the scheduler',
    claim({ storageClassName: 'x' }, { [selectedNode]: 'n' }),
    world({ classes: [storageClass('x', waits)], volumes: [volume('v', { storageClassName: 'x' })] }),
    'provision example.com/disk',
  ],
  ['names a volume', claim({ volumeName: 'v' }), world({ volumes: [volume('v')] }), 'bind v'],
  ['names a volume that is not there yet', claim({ volumeName: 'v' }), world({}), 'pending'],
  [
    "names another's volume",
    claim({ volumeName: 'v' }),
    world({ volumes: [volume('v', others)] }),
    'pending FailedBinding',
  ],
  [
    'names a volume that is too small',
    claim({ volumeName: 'v' }),
    world({ volumes: [volume('v', { capacity: { storage: '1Mi' } })] }),
    'pending VolumeMismatch',
  ],
  ['is bound', claim({ volumeName: 'v' }, done), world({ volumes: [volume('v', mine)] }), 'bind v'],
  ['was bound, and its volume is gone', claim({ volumeName: 'v' }, done), world({}), 'lost ClaimLost'],
  ['was bound, and forgot to what', claim({}, done), world({}), 'lost ClaimLost'],
  [
    'was bound to what another has',
    claim({ volumeName: 'v' }, done),
    world({ volumes: [volume('v', others)] }),
    'lost ClaimMisbound',
  ],
];
for (const [what, given, around, expected] of rows)
  test(`a claim ${what}: ${expected}`, () => {
    assert.equal(outcome(given, around), expected);
  });

test('a claim that several pods wait for names them all', () => {
  const around = world({ classes: [storageClass('x', waits)], pods: ['db', 'web'] });
  const plan = planClaim(claim({ storageClassName: 'x' }), around);
  assert.ok(plan.kind === 'pending');
  assert.equal(plan.event?.message, 'waiting for pods db,web to be scheduled');
});
