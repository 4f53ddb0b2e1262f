/** CSIDrivers: what a driver needs and can do. */
import { ageColumn, column, flagColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { CSIDriver } from '../resources.gen.ts';
import { duplicate, type FieldErrors, invalidValue, required, tooLong } from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf, oneOfInOrder } from '../validation/fields.ts';
import { subdomainProblems } from '../validation/names.ts';

const lifecycleModes = ['Persistent', 'Ephemeral'];
const driverNameMax = 63;
const tokensInAttributes =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes';

export const csiDriverKind = defineKind(CSIDriver, {
  returnsDeleted: true,
  requiresVersionOnUpdate: true,
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
    for (const mode of driver.spec?.volumeLifecycleModes ?? [])
      yield* oneOfInOrder(mode, lifecycleModes, 'spec.volumeLifecycleModes');
    yield* oneOf(
      driver.spec?.fsGroupPolicy,
      ['File', 'None', 'ReadWriteOnceWithFSType'],
      'spec.fsGroupPolicy',
      'undefined',
    );
    const { nodeAllocatableUpdatePeriodSeconds: periodSeconds, serviceAccountTokenInSecrets } =
      driver.spec ?? {};
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
      if (expirationSeconds !== undefined && expirationSeconds > 2 ** 32)
        yield invalidValue(
          `${path}.expirationSeconds`,
          expirationSeconds,
          'may not specify a duration larger than 2^32 seconds',
        );
    }
    if (periodSeconds !== undefined && periodSeconds < 10)
      yield invalidValue(
        'spec.nodeAllocatableUpdatePeriodSeconds',
        periodSeconds,
        'must be greater than or equal to 10 seconds',
      );
    if (serviceAccountTokenInSecrets !== undefined && audiences.size === 0)
      yield invalidValue(
        'spec.serviceAccountTokenInSecrets',
        serviceAccountTokenInSecrets,
        'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
      );
  },
  *validateUpdate(driver, old) {
    for (const name of ['attachRequired', 'volumeLifecycleModes'] as const)
      yield* immutable(driver.spec?.[name], old.spec?.[name], `spec.${name}`);
  },
  *warnings({ spec }) {
    if (spec?.tokenRequests?.length && spec.serviceAccountTokenInSecrets === undefined)
      yield tokensInAttributes;
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'storage.k8s.io/v1 CSIDriver' },
    },
  ],
});

export function* validateDriverName(name = '', field: string): FieldErrors {
  if (!name) {
    yield required(field);
    return;
  }
  if (name.length > driverNameMax) yield tooLong(field, driverNameMax);
  yield* invalidFor(field, name, subdomainProblems(name.toLowerCase()));
}
