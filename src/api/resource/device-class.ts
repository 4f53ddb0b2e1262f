/** DeviceClasses. */
import { ageColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { required } from '../field-error.ts';
import { DeviceClass } from '../resources.gen.ts';

export const deviceClassKind = defineKind(DeviceClass, {
  hasGeneration: true,
  columns: [nameColumn, ageColumn],
  *validate({ spec }) {
    for (const [index, { cel }] of (spec?.selectors ?? []).entries())
      if (!cel?.expression) yield required(`spec.selectors[${index}].cel`);
  },
  versions: ['v1beta2', 'v1beta1'],
});
