/** ResourceSlices: the devices that a driver publishes. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ResourceSlice } from '../resources.gen.ts';
import { immutable } from '../validation/fields.ts';
import { firstBetaDeprecation, secondBetaDeprecation } from './beta-versions.ts';
import { sliceFromBeta, sliceToBeta } from './old-claims.ts';
import { validateSliceSpec } from './slice-rules.ts';

export const resourceSliceKind = defineKind(ResourceSlice, {
  returnsDeleted: true,
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Node', ({ spec }) => spec?.nodeName ?? '<unset>'),
    column('Driver', ({ spec }) => spec?.driver ?? ''),
    column('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
  defaultTimes({ spec }, now) {
    for (const { taints } of spec?.devices ?? []) for (const taint of taints ?? []) taint.timeAdded ??= now;
  },
  validate: ({ spec }) => validateSliceSpec(spec ?? {}),
  *validateUpdate(slice, old) {
    for (const name of ['driver', 'nodeName'] as const)
      yield* immutable(slice.spec?.[name], old.spec?.[name], `spec.${name}`);
    yield* immutable(slice.spec?.pool?.name, old.spec?.pool?.name, 'spec.pool.name');
  },
  selectableFields: ({ spec }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.driver': spec?.driver ?? '',
  }),
  versions: [
    { version: 'v1beta2', deprecation: secondBetaDeprecation },
    {
      version: 'v1beta1',
      toStored: sliceFromBeta,
      fromStored: sliceToBeta,
      deprecation: firstBetaDeprecation,
    },
  ],
});
