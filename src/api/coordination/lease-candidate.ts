/** LeaseCandidates: who would lead, for coordinated leader election. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { LeaseCandidate } from '../resources.gen.ts';
import type { LeaseCandidateSpec } from '../types/coordination-v1beta1.gen.ts';
import { type FieldErrors, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { immutable, invalidFor, nameRule } from '../validation/fields.ts';
import { configKeyProblems, qualifiedNameProblems } from '../validation/names.ts';
import { compareSemvers, isSemver, Semver } from '../validation/semver.ts';

const strategy = 'OldestEmulationVersion';
/** To upstream, what is no version is version zero. */
const noVersion = new Semver('0.0.0');

export const leaseCandidateKind = defineKind(LeaseCandidate, {
  columns: [
    nameColumn,
    column('LeaseName', ({ spec }) => spec?.leaseName ?? ''),
    column('BinaryVersion', ({ spec }) => spec?.binaryVersion ?? ''),
    column('EmulationVersion', ({ spec }) => spec?.emulationVersion ?? ''),
    ageColumn,
  ],
  deprecation: { since: '1.36', removedIn: '1.39' },
  validateName: nameRule(configKeyProblems),
  validate: ({ spec }) => validateSpec(spec ?? {}, 'spec'),
  *validateUpdate(candidate, old) {
    yield* immutable(candidate.spec?.leaseName ?? '', old.spec?.leaseName ?? '', 'spec.leaseName');
  },
  selectableFields: ({ spec }) => ({ 'spec.leaseName': spec?.leaseName ?? '' }),
});

function* validateSpec(spec: Partial<LeaseCandidateSpec>, field: string): FieldErrors {
  if (!spec.leaseName) yield required(`${field}.leaseName`);
  const { emulationVersion: emulated = '', binaryVersion: binary = '' } = spec;
  yield* validateVersion(emulated, `${field}.emulationVersion`);
  if (!binary) yield required(`${field}.binaryVersion`);
  yield* validateVersion(binary, `${field}.binaryVersion`);
  if (binary && emulated && compareSemvers(versionOf(binary), versionOf(emulated)) < 0)
    yield invalidValue(
      `${field}.binaryVersion`,
      binary,
      'must be greater than or equal to `emulationVersion`',
    );
  yield* validateStrategy(spec.strategy ?? '', versionOf(emulated), field);
}

function* validateVersion(version: string, field: string): FieldErrors {
  if (version && !isSemver(version)) yield invalidValue(field, version, 'must be a valid semantic version');
}

function versionOf(text: string): Semver {
  return isSemver(text) ? new Semver(text) : noVersion;
}

function* validateStrategy(asked: string, emulated: Semver, field: string): FieldErrors {
  if (!asked) {
    yield required(`${field}.strategy`);
    return;
  }
  if (asked === strategy) {
    if (compareSemvers(emulated, noVersion) === 0)
      yield required(
        `${field}.emulationVersion`,
        "must be specified when `strategy` is 'OldestEmulationVersion'",
      );
    return;
  }
  if (asked.includes('/'))
    // A strategy of others: its errors stand one level too deep, as upstream's.
    yield* invalidFor(`${field}.strategy.strategy`, asked, qualifiedNameProblems(asked));
  else yield notSupported(`${field}.strategy.strategy`, asked, [strategy]);
}
