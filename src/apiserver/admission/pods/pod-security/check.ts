/** One rule of the Pod Security Standards, and what several of them have in common. */
import type { Pod } from '../../../../api/resources.gen.ts';

type Spec = NonNullable<Pod['spec']>;
export type Container = Spec['containers'][number];

export type Level = 'privileged' | 'baseline' | 'restricted';

export interface Violation {
  reason: string;
  detail: string;
}

export interface Check {
  level: 'baseline' | 'restricted';
  /** The minor version of Kubernetes whose standard first has it; when absent, all have it. */
  since?: number;
  /** The baseline check that this one says better. */
  replaces?: Check;
  /** `minor`: the version whose standard applies. */
  run(pod: Pod, containers: readonly Container[], minor: number): Violation | undefined;
}

/** The standard of the newest version. */
export const latestMinor = Number.POSITIVE_INFINITY;

export function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

/** `container "a" …` or `containers "a", "b" …`. */
export function naming(containers: readonly Container[]): string {
  return `container${containers.length === 1 ? '' : 's'} ${quoted(containers.map(({ name }) => name))}`;
}

export function distinct<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}

/** A Windows pod need not set what Windows does not have. */
export function isWindows({ spec }: Pod, minor: number): boolean {
  return minor >= 25 && spec?.os?.name === 'windows';
}

/** In a separate user namespace, root has no rights outside of it. */
export function hasOwnUsers({ spec }: Pod, minor: number): boolean {
  return minor >= 35 && spec?.hostUsers === false;
}
