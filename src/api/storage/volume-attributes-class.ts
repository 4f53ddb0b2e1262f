/** VolumeAttributesClasses. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { VolumeAttributesClass } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { forbiddenField, required } from '../validation/field-error.ts';
import { validateParameters, validateProvisioner } from './storage-class.ts';

export const volumeAttributesClassKind = defineKind(VolumeAttributesClass, {
  returnsDeleted: true,
  columns: [nameColumn, column('DriverName', ({ driverName }) => driverName), ageColumn],
  *validate({ driverName, parameters }) {
    yield* validateProvisioner(driverName, 'driverName');
    if (Object.keys(parameters ?? {}).length === 0)
      yield required('parameters', 'must contain at least one key/value pair');
    yield* validateParameters(parameters, 'parameters');
  },
  *validateUpdate(attributes, old) {
    if (attributes.driverName !== old.driverName)
      yield forbiddenField('driverName', 'updates to driverName are forbidden.');
    if (!semanticEqual(attributes.parameters, old.parameters))
      yield forbiddenField('parameters', 'updates to parameters are forbidden.');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: {
        since: '1.34',
        removedIn: '1.37',
        replacement: 'storage.k8s.io/v1 VolumeAttributesClass',
      },
    },
  ],
});
