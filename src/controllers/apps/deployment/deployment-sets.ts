/** The ReplicaSets of a Deployment, as a value: a step of a reconcile takes them, and returns them as it leaves them. */
import type { ReplicaSet } from '../../../api/resources.gen.ts';

export interface DeploymentSets {
  /** That of the Deployment's present template; undefined before it is created. */
  readonly current: ReplicaSet | undefined;
  /** Those of earlier templates, oldest first. */
  readonly old: readonly ReplicaSet[];
}

export function allOf({ current, old }: DeploymentSets): readonly ReplicaSet[] {
  return current ? [...old, current] : old;
}

/** With `written` in the place of `before`, which it is a newer state of. */
export function withWritten(sets: DeploymentSets, before: ReplicaSet, written: ReplicaSet): DeploymentSets {
  const { current, old } = sets;
  if (before === current) return { current: written, old };
  return { current, old: old.map((rs) => (rs === before ? written : rs)) };
}
