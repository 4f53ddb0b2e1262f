/**
 * Rollback by a field of the Deployment, as in extensions/v1beta1 and apps/v1beta1 (`spec.rollbackTo`); the stored
 * version keeps it as an annotation. Newer clients change the template themselves.
 */
import { rollbackAnnotation } from '../../../api/apps/deployment.ts';
import type { Deployment, ReplicaSet } from '../../../api/resources.gen.ts';
import { canonicalJson } from '../../pods/pod-template.ts';
import { ownAnnotations, revisionOf, templateOf } from './deployment-revision.ts';

export interface RollbackPlan {
  /** The Deployment without the rollback request, and with the earlier template if there is one. */
  next: Deployment;
  event: { type: 'Normal' | 'Warning'; reason: string; message: string };
}

/** Undefined when no rollback is requested. */
export function planRollback(deployment: Deployment, sets: readonly ReplicaSet[]): RollbackPlan | undefined {
  const { name, annotations = {} } = deployment.metadata;
  const text = annotations[rollbackAnnotation];
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const { [rollbackAnnotation]: _, ...kept } = annotations;
  const unchanged = { ...deployment, metadata: { ...deployment.metadata, annotations: kept } };
  const refuse = (reason: string, message: string): RollbackPlan => ({
    next: unchanged,
    event: { type: 'Warning', reason: `DeploymentRollback${reason}`, message },
  });
  const wanted = BigInt(text);
  const revision = wanted === 0n ? lastRevision(sets) : wanted;
  if (revision === 0n) return refuse('RevisionNotFound', 'Unable to find last revision.');
  const set = sets.find((one) => revisionOf(one) === revision);
  if (!set) return refuse('RevisionNotFound', 'Unable to find the revision to rollback to.');
  const template = templateOf(set);
  if (canonicalJson(template) === canonicalJson(deployment.spec!.template)) {
    const message = `The rollback revision contains the same template as current deployment "${name}"`;
    return refuse('TemplateUnchanged', message);
  }
  return {
    next: {
      ...deployment,
      // Annotations such as the change cause become those of the restored revision.
      metadata: {
        ...deployment.metadata,
        annotations: { ...pick(kept, isOwn), ...pick(set.metadata.annotations, (key) => !isOwn(key)) },
      },
      spec: { ...deployment.spec!, template },
    },
    event: {
      type: 'Normal',
      reason: 'DeploymentRollback',
      message: `Rolled back deployment "${name}" to revision ${revision}`,
    },
  };
}

/** The second newest; 0 when there is none. */
function lastRevision(sets: readonly ReplicaSet[]): bigint {
  const revisions = sets.map(revisionOf).sort((a, b) => (a === b ? 0 : a > b ? -1 : 1));
  return revisions[1] ?? 0n;
}

const isOwn = (key: string) => ownAnnotations.has(key);

function pick(
  annotations: Record<string, string> | undefined,
  isWanted: (key: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => isWanted(key)));
}
