/** What CSI drivers tell of themselves: CSIDrivers, CSINodes, CSIStorageCapacities. */
import { ageColumn, column, countColumn, flagColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, invalidValue, required } from '../field-error.ts';
import { CSIDriver, CSINode, CSIStorageCapacity } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { qualifiedNameProblems, subdomainProblems } from '../validation/names.ts';
import { nonNegativeQuantity } from '../validation/resources.ts';

const lifecycleModes = ['Ephemeral', 'Persistent'];
const driverNameMax = 63;

export const csiDriverKind = defineKind(CSIDriver, {
  requiresVersionOnUpdate: true,
  hasGeneration: false,
  columns: [
    nameColumn,
    flagColumn('AttachRequired', ({ spec }) => spec?.attachRequired ?? true),
    flagColumn('PodInfoOnMount', ({ spec }) => spec?.podInfoOnMount ?? false),
    flagColumn('StorageCapacity', ({ spec }) => spec?.storageCapacity ?? false),
    column(
      'TokenRequests',
      ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(',') || '<unset>',
    ),
    flagColumn('RequiresRepublish', ({ spec }) => spec?.requiresRepublish ?? false),
    column('Modes', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  *validate(driver) {
    yield* validateDriverName(driver.metadata.name, 'metadata.name');
    for (const mode of driver.spec?.volumeLifecycleModes ?? [])
      yield* oneOf(mode, lifecycleModes, 'spec.volumeLifecycleModes');
    yield* oneOf(
      driver.spec?.fsGroupPolicy,
      ['File', 'None', 'ReadWriteOnceWithFSType'],
      'spec.fsGroupPolicy',
      'optional',
    );
    const audiences = new Set<string>();
    for (const [index, { audience, expirationSeconds }] of (driver.spec?.tokenRequests ?? []).entries()) {
      const path = `spec.tokenRequests[${index}]`;
      if (audiences.has(audience)) yield duplicate(`${path}.audience`, audience);
      audiences.add(audience);
      if (expirationSeconds !== undefined && expirationSeconds < 600)
        yield invalidValue(
          `${path}.expirationSeconds`,
          expirationSeconds,
          'may not specify a duration less than 10 minutes',
        );
    }
  },
  *validateUpdate(driver, old) {
    for (const name of ['attachRequired', 'volumeLifecycleModes'] as const)
      yield* immutable(driver.spec?.[name], old.spec?.[name], `spec.${name}`);
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'storage.k8s.io/v1 CSIDriver' },
    },
  ],
});

function* validateDriverName(name: string | undefined, field: string): FieldErrors {
  if (!name) {
    yield required(field);
    return;
  }
  if (name.length > driverNameMax)
    yield invalidValue(field, name, `must be no more than ${driverNameMax} characters`);
  yield* invalidFor(field, name, subdomainProblems(name.toLowerCase()));
}

export const csiNodeKind = defineKind(CSINode, {
  requiresVersionOnUpdate: true,
  columns: [nameColumn, countColumn('Drivers', ({ spec }) => spec?.drivers?.length ?? 0), ageColumn],
  defaults({ spec }) {
    // A required list that nobody gave is shown as null.
    for (const driver of spec?.drivers ?? []) (driver as { topologyKeys?: unknown }).topologyKeys ??= null;
  },
  *validate({ spec }) {
    const names = new Set<string>();
    for (const [index, driver] of (spec?.drivers ?? []).entries()) {
      const path = `spec.drivers[${index}]`;
      yield* validateDriverName(driver.name, `${path}.name`);
      if (!driver.nodeID) yield required(`${path}.nodeID`);
      if (names.has(driver.name)) yield duplicate(`${path}.name`, driver.name);
      names.add(driver.name);
      const keys = new Set<string>();
      for (const key of driver.topologyKeys ?? []) {
        if (keys.has(key)) yield duplicate(`${path}.topologyKeys`, key);
        keys.add(key);
        yield* invalidFor(`${path}.topologyKeys`, key, qualifiedNameProblems(key));
      }
      if (driver.allocatable?.count !== undefined && driver.allocatable.count < 0)
        yield invalidValue(
          `${path}.allocatable.count`,
          driver.allocatable.count,
          'must be greater than or equal to 0',
        );
    }
  },
  *validateUpdate(node, old) {
    for (const before of old.spec?.drivers ?? []) {
      const now = (node.spec?.drivers ?? []).find(({ name }) => name === before.name);
      if (now && !semanticEqual(now, before))
        yield invalidValue('spec.drivers', before, 'field is immutable');
    }
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.17', removedIn: '1.22', replacement: 'storage.k8s.io/v1 CSINode' },
    },
  ],
});

export const csiStorageCapacityKind = defineKind(CSIStorageCapacity, {
  columns: [
    nameColumn,
    column('StorageClassName', ({ storageClassName }) => storageClassName),
    column('Capacity', ({ capacity }) => capacity ?? '<unset>'),
  ],
  *validate(capacity) {
    yield* validateLabelSelector(capacity.nodeTopology, 'nodeTopology');
    yield* invalidFor(
      'storageClassName',
      capacity.storageClassName ?? '',
      subdomainProblems(capacity.storageClassName ?? ''),
    );
    for (const name of ['capacity', 'maximumVolumeSize'] as const)
      if (capacity[name] !== undefined) yield* nonNegativeQuantity(capacity[name], name);
  },
  *validateUpdate(capacity, old) {
    for (const name of ['nodeTopology', 'storageClassName'] as const)
      yield* immutable(capacity[name], old[name], name);
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.24', removedIn: '1.27', replacement: 'storage.k8s.io/v1 CSIStorageCapacity' },
    },
    'v1alpha1',
  ],
});
