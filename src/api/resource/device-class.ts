/** DeviceClasses. */
import { ageColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { DeviceClass } from '../resources.gen.ts';
import { invalidValue } from '../validation/field-error.ts';
import { isExtendedResource } from '../validation/resources.ts';
import { firstBetaDeprecation, secondBetaDeprecation } from './beta-versions.ts';
import { configurationsMax } from './claim-rules.ts';
import { validateConfiguration, validateItems, validateSelectors } from './device-rules.ts';

export const deviceClassKind = defineKind(DeviceClass, {
  returnsDeleted: true,
  hasGeneration: true,
  columns: [nameColumn, ageColumn],
  *validate({ spec }) {
    yield* validateSelectors(spec?.selectors, 'spec.selectors');
    yield* validateItems(spec?.config, configurationsMax, 'spec.config', validateConfiguration);
    const extended = spec?.extendedResourceName;
    if (extended !== undefined && !isExtendedResource(extended))
      yield invalidValue('spec.extendedResourceName', extended, 'must be a valid extended resource name');
  },
  versions: [
    { version: 'v1beta2', deprecation: secondBetaDeprecation },
    { version: 'v1beta1', deprecation: firstBetaDeprecation },
  ],
});
