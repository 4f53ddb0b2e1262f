/** What the labels of a namespace say of the pods in it. */
import { type FieldErrors, invalidValue } from '../../../../api/validation/field-error.ts';
import { type Level, latestMinor } from './check.ts';

const prefix = 'pod-security.kubernetes.io/';
const levels: readonly Level[] = ['privileged', 'baseline', 'restricted'];

export type Mode = 'enforce' | 'audit' | 'warn';
const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];

export interface LevelVersion {
  level: Level;
  /** `latest` or `v1.30`. */
  version: string;
}

export type NamespacePolicy = Readonly<Record<Mode, LevelVersion>>;

type Labels = Readonly<Record<string, string>>;

export function namespacePolicy(labels: Labels = {}): NamespacePolicy {
  const enforce = levelVersion(labels, 'enforce', 'restricted');
  const audit = levelVersion(labels, 'audit', 'privileged');
  const warn = levelVersion(labels, 'warn', 'privileged');
  const warnsByItself = labels[`${prefix}warn`] !== undefined;
  // Users who create pods through a controller would otherwise learn of it only from events.
  if (warnsByItself || !isStricter(enforce, warn)) return { enforce, audit, warn };
  const version = labels[`${prefix}warn-version`] === undefined ? enforce.version : warn.version;
  return { enforce, audit, warn: { level: enforce.level, version } };
}

/**
 * `otherwise`: the level in place of an invalid one: the strictest when enforcing, so that nothing is admitted by
 * mistake.
 */
function levelVersion(labels: Labels, mode: Mode, otherwise: Level): LevelVersion {
  const named = labels[prefix + mode];
  const version = labels[`${prefix}${mode}-version`] ?? 'latest';
  const level = named === undefined ? 'privileged' : levels.find((known) => known === named);
  return { level: level ?? otherwise, version: minorOf(version) === undefined ? 'latest' : version };
}

export function isStricter(one: LevelVersion, other: LevelVersion): boolean {
  return levels.indexOf(one.level) > levels.indexOf(other.level);
}

/** Of the labels that are there. */
export function* policyErrors(labels: Labels = {}): FieldErrors {
  for (const mode of modes) {
    const level = labels[prefix + mode];
    const version = labels[`${prefix}${mode}-version`];
    if (level !== undefined && !levels.some((known) => known === level))
      yield invalidValue(
        `metadata.labels[${prefix}${mode}]`,
        level,
        'must be one of privileged, baseline, restricted',
      );
    if (version !== undefined && minorOf(version) === undefined)
      yield invalidValue(`metadata.labels[${prefix}${mode}-version]`, version, 'must be "latest" or "v1.x"');
  }
}

/** N of `v1.N`. */
export function minorOf(version: string): number | undefined {
  if (version === 'latest') return latestMinor;
  const minor = /^v1\.([0-9]|[1-9][0-9]*)$/.exec(version)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

export function nameOf({ level, version }: LevelVersion): string {
  return `${level}:${version}`;
}
