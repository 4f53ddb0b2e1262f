/** LeaseCandidates: who would lead, for coordinated leader election. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { LeaseCandidate } from '../resources.gen.ts';
import { required } from '../validation/field-error.ts';

export const leaseCandidateKind = defineKind(LeaseCandidate, {
  columns: [
    nameColumn,
    column('LeaseName', ({ spec }) => spec?.leaseName ?? ''),
    column('BinaryVersion', ({ spec }) => spec?.binaryVersion ?? ''),
    column('EmulationVersion', ({ spec }) => spec?.emulationVersion ?? ''),
    ageColumn,
  ],
  *validate({ spec }) {
    for (const name of ['leaseName', 'binaryVersion', 'strategy'] as const)
      if (!spec?.[name]) yield required(`spec.${name}`);
  },
  selectableFields: ({ spec }) => ({ 'spec.leaseName': spec?.leaseName ?? '' }),
});
