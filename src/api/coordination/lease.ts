/** Leases. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Lease } from '../resources.gen.ts';
import { forbiddenField, invalidValue } from '../validation/field-error.ts';
import { positive } from '../validation/fields.ts';
import { validateStrategy } from './strategy.ts';

export const leaseKind = defineKind(Lease, {
  requiresVersionOnUpdate: true,
  createsOnUpdate: true,
  columns: [nameColumn, column('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn],
  *validate({ spec }) {
    if (spec?.leaseDurationSeconds !== undefined)
      yield* positive(spec.leaseDurationSeconds, 'spec.leaseDurationSeconds');
    if (spec?.leaseTransitions !== undefined && spec.leaseTransitions < 0)
      yield invalidValue(
        'spec.leaseTransitions',
        spec.leaseTransitions,
        'must be greater than or equal to 0',
      );
    if (spec?.strategy !== undefined) yield* validateStrategy(spec.strategy, 'spec.strategy');
    if (spec?.preferredHolder && !spec.strategy)
      yield forbiddenField('spec.preferredHolder', 'may only be specified if `strategy` is defined');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'coordination.k8s.io/v1 Lease' },
    },
  ],
});
