/** CSIStorageCapacities: how much a class can still make, and where. */
import { defineKind } from '../kinds/define-kind.ts';
import { CSIStorageCapacity } from '../resources.gen.ts';
import { immutable, invalidFor } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { subdomainProblems } from '../validation/names.ts';
import { nodeSelectorWarnings } from '../validation/node-labels.ts';
import { nonNegativeQuantity } from '../validation/resources.ts';

export const csiStorageCapacityKind = defineKind(CSIStorageCapacity, {
  *validate(capacity) {
    yield* validateLabelSelector(capacity.nodeTopology, 'nodeTopology');
    yield* invalidFor(
      'storageClassName',
      capacity.storageClassName ?? '',
      subdomainProblems(capacity.storageClassName ?? ''),
    );
    if (capacity.capacity !== undefined) yield* nonNegativeQuantity(capacity.capacity, 'capacity');
  },
  warnings: ({ nodeTopology }) => nodeSelectorWarnings(nodeTopology, 'nodeTopology'),
  *validateUpdate(capacity, old) {
    yield* immutable(capacity.nodeTopology, old.nodeTopology, 'nodeTopology', 'meta.LabelSelector');
    yield* immutable(capacity.storageClassName, old.storageClassName, 'storageClassName');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.24', removedIn: '1.27', replacement: 'storage.k8s.io/v1 CSIStorageCapacity' },
    },
    'v1alpha1',
  ],
});
