/** Which ReplicaSet of a Deployment is the new one, how revisions are numbered, and which old ones are dropped. */
import type { Draft } from '../../../api/meta.ts';
import { Deployment, type ReplicaSet } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { lastAppliedAnnotation } from '../../../api/well-known.ts';
import { controllerReference } from '../../adoption.ts';
import { byCreation } from '../../by-creation.ts';
import { canonicalJson, templateHash } from '../../pods/pod-template.ts';
import {
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  revisionAnnotation,
  revisionHistoryAnnotation,
} from './deployment-annotations.ts';
import { desiredReplicas, maxSurgeOf, replicasOf, type ScaleStep } from './deployment-rollout.ts';
import type { DeploymentSets } from './deployment-sets.ts';

const hashLabel = 'pod-template-hash';
const revisionHistoryMaxChars = 2000;

/** Annotations of a Deployment that its ReplicaSets do not take over. */
export const ownAnnotations: ReadonlySet<string> = new Set([
  lastAppliedAnnotation,
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
]);

/**
 * Zero when the annotation is missing or unreadable. Revisions have 64 bits, and adopting a set also adopts its number.
 */
export function revisionOf(rs: ReplicaSet): bigint {
  const text = rs.metadata.annotations?.[revisionAnnotation] ?? '';
  if (!/^[+-]?\d{1,19}$/.test(text)) return 0n;
  const revision = BigInt(text.replace('+', ''));
  return revision === BigInt.asIntN(64, revision) ? revision : 0n;
}

/** The ReplicaSet of the Deployment's present template (the oldest, should there be several), and all others. */
export function splitReplicaSets(deployment: Deployment, all: readonly ReplicaSet[]): DeploymentSets {
  const wanted = canonicalJson(deployment.spec!.template);
  const sorted = [...all].sort(byCreation);
  const current = sorted.find((rs) => templateTextOf(rs) === wanted);
  return { current, old: sorted.filter((rs) => rs !== current) };
}

const templateTexts = new WeakMap<object, string>();

function templateTextOf(rs: ReplicaSet): string {
  const template = rs.spec?.template;
  if (!template) return '';
  let text = templateTexts.get(template);
  if (text === undefined) {
    text = canonicalJson(templateOf(rs));
    templateTexts.set(template, text);
  }
  return text;
}

/** The Deployment's template from which the ReplicaSet was created. */
export function templateOf(rs: ReplicaSet): core.PodTemplateSpec {
  const template = rs.spec?.template;
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } as core.PodTemplateSpec['metadata'] };
}

export function nextRevision(old: readonly ReplicaSet[]): bigint {
  return old.map(revisionOf).reduce((most, revision) => (revision > most ? revision : most), 0n) + 1n;
}

/** The annotations that a ReplicaSet of the Deployment's present template should have. */
export function annotationsFor(
  deployment: Deployment,
  rs: ReplicaSet | undefined,
  revision: bigint,
): Record<string, string> {
  const annotations: Record<string, string> = { ...rs?.metadata.annotations };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!ownAnnotations.has(key)) annotations[key] = value;
  const before = rs?.metadata.annotations?.[revisionAnnotation];
  if ((rs ? revisionOf(rs) : 0n) >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (before === undefined) return annotations;
  // A rollback: the set had other revision numbers before, and `rollout history` shows them.
  const history = [...(annotations[revisionHistoryAnnotation]?.split(',') ?? []), before];
  while (history.join(',').length > revisionHistoryMaxChars) history.shift();
  annotations[revisionHistoryAnnotation] = history.join(',');
  return annotations;
}

/** The new set with its number, and with what else the Deployment passes on; undefined when it has all that. */
export function syncedReplicaSet(
  deployment: Deployment,
  current: ReplicaSet,
  revision: bigint,
): ReplicaSet | undefined {
  const annotations = annotationsFor(deployment, current, revision);
  const minReadySeconds = deployment.spec!.minReadySeconds ?? 0;
  const isSynced =
    (current.spec?.minReadySeconds ?? 0) === minReadySeconds && hasAnnotations(current, annotations);
  if (isSynced) return undefined;
  const metadata = { ...current.metadata, annotations };
  return { ...current, metadata, spec: { ...current.spec!, minReadySeconds } };
}

/** The set with its new size, and with the Deployment's at this time; undefined when it has both. */
export function scaledReplicaSet(
  deployment: Deployment,
  { rs, replicas }: ScaleStep,
): ReplicaSet | undefined {
  const wanted = scaleAnnotations(deployment);
  if (replicasOf(rs) === replicas && hasAnnotations(rs, wanted)) return undefined;
  const metadata = { ...rs.metadata, annotations: { ...rs.metadata.annotations, ...wanted } };
  return { ...rs, metadata, spec: { ...rs.spec!, replicas } };
}

function hasAnnotations({ metadata }: ReplicaSet, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => metadata.annotations?.[key] === value);
}

/** The Deployment was resized since a set was last scaled: scaling comes before any rollout. */
export function isResized(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const desired = String(desiredReplicas(deployment));
  return sets.some((rs) => {
    const scaledFor = rs.metadata.annotations?.[desiredReplicasAnnotation];
    return replicasOf(rs) > 0 && scaledFor !== undefined && scaledFor !== desired;
  });
}

/** The annotations of a ReplicaSet that record the Deployment's size at the last scaling. */
function scaleAnnotations(deployment: Deployment): Record<string, string> {
  const desired = desiredReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(desired),
    [maxReplicasAnnotation]: String(desired + maxSurgeOf(deployment)),
  };
}

/** A ReplicaSet for the present template, without its replicas. */
export function newReplicaSet(deployment: Deployment, revision: bigint): Draft<ReplicaSet> {
  const { template, selector, minReadySeconds } = deployment.spec!;
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: { ...annotationsFor(deployment, undefined, revision), ...scaleAnnotations(deployment) },
      ownerReferences: [controllerReference({ type: Deployment, object: deployment })],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  } as Draft<ReplicaSet>;
}

/** The old ReplicaSets beyond the history limit: empty, settled, lowest revisions first. */
export function planHistoryCleanup(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec!.revisionHistoryLimit ?? 10;
  const alive = old.filter((rs) => !rs.metadata.deletionTimestamp);
  if (limit >= 2 ** 31 - 1 || alive.length <= limit) return [];
  return alive
    .sort((a, b) => byRevision(a, b) || byCreation(a, b))
    .slice(0, alive.length - limit)
    .filter(
      (rs) =>
        (rs.status?.replicas ?? 0) === 0 &&
        (rs.spec?.replicas ?? 1) === 0 &&
        (rs.metadata.generation ?? 0) <= (rs.status?.observedGeneration ?? 0),
    );
}

function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
