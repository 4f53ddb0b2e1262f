/** CSINodes: the drivers that run on a node. */
import { ageColumn, countColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { CSINode } from '../resources.gen.ts';
import type { CSINodeDriver } from '../types/storage-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import { duplicate, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import { validateDriverName } from './csi-driver.ts';

const nodeIdLengthMax = 192;

export const csiNodeKind = defineKind(CSINode, {
  returnsDeleted: true,
  requiresVersionOnUpdate: true,
  columns: [nameColumn, countColumn('Drivers', ({ spec }) => spec?.drivers?.length ?? 0), ageColumn],
  defaults({ spec }) {
    // A required list that is missing is shown as null.
    for (const driver of (spec?.drivers ?? []) as { topologyKeys?: unknown }[])
      if (driver.topologyKeys === undefined) driver.topologyKeys = null;
  },
  *validate({ spec }) {
    const names = new Set<string>();
    for (const [index, driver] of (spec?.drivers ?? []).entries()) {
      const path = `spec.drivers[${index}]`;
      yield* validateDriverName(driver.name, `${path}.name`);
      if (!driver.nodeID) yield required(`${path}.nodeID`);
      else if (driver.nodeID.length > nodeIdLengthMax)
        yield invalidValue(`${path}.nodeID`, driver.nodeID, `must be ${nodeIdLengthMax} characters or less`);
      if (names.has(driver.name)) yield duplicate(`${path}.name`, driver.name);
      names.add(driver.name);
      const keys = new Set<string>();
      for (const key of driver.topologyKeys ?? []) {
        if (!key) yield required(path, key);
        if (keys.has(key)) yield duplicate(path, key);
        keys.add(key);
        yield* invalidFor(path, key, qualifiedNameProblems(key));
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
    // How many volumes the node takes may change while the driver runs.
    const fixed = ({ allocatable: _, ...driver }: CSINodeDriver) => driver;
    for (const before of old.spec?.drivers ?? []) {
      const now = (node.spec?.drivers ?? []).find(({ name }) => name === before.name);
      if (now && !semanticEqual(fixed(now), fixed(before)))
        yield invalidValue('spec.drivers', innerForm('storage.CSINodeDriver', now), 'field is immutable');
    }
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.17', removedIn: '1.22', replacement: 'storage.k8s.io/v1 CSINode' },
    },
  ],
});
