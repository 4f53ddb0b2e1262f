/** ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, to roll out from and back to. */
import { controllerOf, type Draft } from '../../api/meta.ts';
import { ControllerRevision } from '../../api/resources.gen.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { controllerReference, type Owner } from '../adoption.ts';
import { byCreation } from '../by-creation.ts';
import { canonicalJson, templateHash } from '../pods/pod-template.ts';

export const revisionHashLabel = 'controller-revision-hash';

/**
 * The data of a revision is a patch. `kubectl rollout undo` sends it unchanged, and finds the current revision by
 * comparing bytes, so its keys are sorted.
 */
export function revisionData(template: core.PodTemplateSpec): object {
  return JSON.parse(canonicalJson({ spec: { template: { ...template, $patch: 'replace' } } }));
}

/** The template that a revision holds. */
export function templateOf(revision: ControllerRevision): core.PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data as { spec: { template: Record<string, unknown> } }).spec
    .template;
  return template as core.PodTemplateSpec;
}

export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  return a.revision - b.revision || byCreation(a, b);
}

export interface RevisionRequest {
  owner: Owner;
  template: core.PodTemplateSpec;
  /** All revisions of the owner. */
  known: readonly ControllerRevision[];
  collisionCount: number;
  labels: Record<string, string>;
  /** The label that holds the revision's hash; {@link revisionHashLabel} when absent. */
  hashLabel?: string;
}

/** What must be done so that the newest revision holds the owner's template. */
export type RevisionPlan =
  | { step: 'none'; revision: ControllerRevision }
  /** The owner went back to an earlier template: that revision becomes the newest. */
  | { step: 'renumber'; revision: ControllerRevision; number: number }
  | { step: 'create'; draft: Draft<ControllerRevision>; hash: string };

export function planRevision(request: RevisionRequest): RevisionPlan {
  const { owner, template, known, collisionCount, labels, hashLabel = revisionHashLabel } = request;
  const sorted = [...known].sort(byRevision);
  const newest = sorted.at(-1);
  const wanted = canonicalJson(template);
  const equal = sorted.filter((revision) => canonicalJson(templateOf(revision)) === wanted).at(-1);
  if (equal && equal === newest) return { step: 'none', revision: equal };
  const number = (newest?.revision ?? 0) + 1;
  if (equal) return { step: 'renumber', revision: equal, number };
  const hash = templateHash(template, collisionCount);
  const { name, namespace, annotations } = owner.object.metadata;
  return {
    step: 'create',
    hash,
    draft: {
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels: { ...labels, [hashLabel]: hash },
        ...(annotations && { annotations: { ...annotations } }),
        ownerReferences: [controllerReference(owner)],
      },
      data: revisionData(template) as ControllerRevision['data'],
      revision: number,
    },
  };
}

/** The revision's name is taken by other content: the owner must increase its collision count. */
export class RevisionCollision extends Error {}

/** @throws RevisionCollision */
export async function applyRevisionPlan(
  cluster: ReconcileCluster,
  owner: Owner,
  plan: RevisionPlan,
  signal: AbortSignal,
): Promise<ControllerRevision> {
  if (plan.step === 'none') return plan.revision;
  if (plan.step === 'renumber')
    return await cluster.update(ControllerRevision, { ...plan.revision, revision: plan.number }, signal);
  try {
    return await cluster.create(ControllerRevision, plan.draft, signal);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const at = { name: plan.draft.metadata.name!, namespace: owner.object.metadata.namespace };
    const present = await cluster.client.get(ControllerRevision, at, signal);
    const isSame = canonicalJson(present.data as object) === canonicalJson(plan.draft.data as object);
    if (isSame && isLeftFor(owner, present)) return present;
    throw new RevisionCollision(`revision ${at.name} holds another template`);
  }
}

/**
 * The revision belongs to the owner or to an earlier object of the same name. In the latter case it will either be
 * orphaned, and then adopted, or deleted, and then created again; either event has the owner reconciled again.
 */
function isLeftFor({ type, object }: Owner, revision: ControllerRevision): boolean {
  const controller = controllerOf(revision);
  return !controller || (controller.kind === type.kind && controller.name === object.metadata.name);
}

/** Revisions beyond the limit that no pod uses, oldest first. */
export function planRevisionCleanup(
  known: readonly ControllerRevision[],
  used: ReadonlySet<string>,
  limit: number,
): ControllerRevision[] {
  const unused = [...known].sort(byRevision).filter((revision) => !used.has(revision.metadata.name));
  return unused.slice(0, Math.max(0, unused.length - limit));
}
