/** ResourceSlices: the devices that a driver publishes. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, invalidValue, required } from '../field-error.ts';
import { ResourceSlice } from '../resources.gen.ts';
import { immutable, invalidFor } from '../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { sliceFromBeta, sliceToBeta } from './old-claims.ts';

export const resourceSliceKind = defineKind(ResourceSlice, {
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Node', ({ spec }) => spec?.nodeName ?? '<unset>'),
    column('Driver', ({ spec }) => spec?.driver ?? ''),
    column('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
  *validate({ spec }) {
    const { driver, pool, nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec ?? {};
    if (!driver) yield required('spec.driver');
    else yield* invalidFor('spec.driver', driver, subdomainProblems(driver));
    if (!pool?.name) yield required('spec.pool.name');
    const places = [nodeName, nodeSelector, allNodes, perDeviceNodeSelection].filter(Boolean).length;
    if (places !== 1)
      yield invalidValue(
        'spec',
        null,
        'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
      );
    const names = new Set<string>();
    for (const [index, { name }] of (spec?.devices ?? []).entries()) {
      if (!name) yield required(`spec.devices[${index}].name`);
      else yield* invalidFor(`spec.devices[${index}].name`, name, dnsLabelProblems(name));
      if (names.has(name)) yield duplicate(`spec.devices[${index}].name`, name);
      names.add(name);
    }
  },
  *validateUpdate(slice, old) {
    for (const name of ['driver', 'nodeName'] as const)
      yield* immutable(slice.spec?.[name], old.spec?.[name], `spec.${name}`);
    yield* immutable(slice.spec?.pool?.name, old.spec?.pool?.name, 'spec.pool.name');
  },
  selectableFields: ({ spec }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.driver': spec?.driver ?? '',
  }),
  versions: ['v1beta2', { version: 'v1beta1', toStored: sliceFromBeta, fromStored: sliceToBeta }],
});
