/** LeaseCandidates: who would lead, for coordinated leader election. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { LeaseCandidate } from '../resources.gen.ts';
import type { LeaseCandidateSpec } from '../types/coordination-v1beta1.gen.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { immutable, nameRule } from '../validation/fields.ts';
import { configKeyProblems } from '../validation/names.ts';
import { compareSemvers, isSemver, Semver } from '../validation/semver.ts';
import { oldestEmulationVersion, validateStrategy } from './strategy.ts';

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
  createsOnUpdate: true,
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
  yield* validateCandidateStrategy(spec.strategy ?? '', versionOf(emulated), field);
}

function* validateVersion(version: string, field: string): FieldErrors {
  if (version && !isSemver(version)) yield invalidValue(field, version, 'must be a valid semantic version');
}

function versionOf(text: string): Semver {
  return isSemver(text) ? new Semver(text) : noVersion;
}

function* validateCandidateStrategy(strategy: string, emulated: Semver, field: string): FieldErrors {
  if (!strategy) {
    yield required(`${field}.strategy`);
    return;
  }
  if (strategy === oldestEmulationVersion && compareSemvers(emulated, noVersion) === 0)
    yield required(
      `${field}.emulationVersion`,
      "must be specified when `strategy` is 'OldestEmulationVersion'",
    );
  yield* validateStrategy(strategy, `${field}.strategy`);
}
