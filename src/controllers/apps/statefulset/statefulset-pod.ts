/** The identity of a StatefulSet's pods: names, labels, host names, volumes and claims. */
import type { Draft, KubeObject, OwnerReference, ResourceType } from '../../../api/meta.ts';
import { type PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { controllerReference } from '../../adoption.ts';
import { revisionHashLabel } from '../controller-revision.ts';

const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

export function startOrdinal(set: StatefulSet): number {
  return set.spec!.ordinals?.start ?? 0;
}

/** -1 for a pod that is not named after the set. */
export function ordinalOf(set: StatefulSet, pod: Pod): number {
  const { name } = pod.metadata;
  const dash = name.lastIndexOf('-');
  const digits = name.slice(dash + 1);
  return name.slice(0, dash) === set.metadata.name && /^\d+$/.test(digits) ? Number(digits) : -1;
}

export function podNameOf(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`;
}

export function newStatefulPod(
  set: StatefulSet,
  template: core.PodTemplateSpec,
  ordinal: number,
  revision: string,
): Draft<Pod> {
  const name = podNameOf(set, ordinal);
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const claimed = new Set(claimTemplates(set).map((claim) => claim.metadata!.name));
  const volumes = [
    ...claimTemplates(set).map((claim) => ({
      name: claim.metadata!.name,
      persistentVolumeClaim: { claimName: claimNameOf(set, claim, ordinal) },
    })),
    ...(template.spec?.volumes ?? []).filter((volume) => !claimed.has(volume.name)),
  ];
  return {
    metadata: {
      name,
      generateName: `${set.metadata.name}-`,
      namespace: set.metadata.namespace,
      labels: {
        ...labels,
        [podNameLabel]: name,
        [podIndexLabel]: String(ordinal),
        [revisionHashLabel]: revision,
      },
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [controllerReference({ type: StatefulSet, object: set })],
    },
    spec: {
      ...template.spec,
      hostname: name,
      ...(set.spec!.serviceName && { subdomain: set.spec!.serviceName }),
      ...(volumes.length > 0 && { volumes }),
    },
  } as Draft<Pod>;
}

/** The pod with the labels and volumes that its ordinal calls for; undefined when it has them already. */
export function withIdentity(pod: Pod, ordinal: number): Pod | undefined {
  const { name, labels } = pod.metadata;
  const isLabelled = labels?.[podNameLabel] === name && labels[podIndexLabel] === String(ordinal);
  if (isLabelled) return undefined;
  const wanted = { ...labels, [podNameLabel]: name, [podIndexLabel]: String(ordinal) };
  return { ...pod, metadata: { ...pod.metadata, labels: wanted } };
}

function claimTemplates(set: StatefulSet): readonly core.PersistentVolumeClaim[] {
  return (set.spec!.volumeClaimTemplates ?? []) as readonly core.PersistentVolumeClaim[];
}

function claimNameOf(set: StatefulSet, claim: core.PersistentVolumeClaim, ordinal: number): string {
  return `${claim.metadata!.name}-${podNameOf(set, ordinal)}`;
}

/** Whether a claim of that name is one of the set's, of whichever ordinal. */
export function hasClaimName(set: StatefulSet, name: string): boolean {
  return claimTemplates(set).some((template) => {
    const prefix = `${template.metadata!.name}-${set.metadata.name}-`;
    return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
  });
}

/** The claims that the pod of an ordinal uses. */
export function claimsFor(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  return claimTemplates(set).map((template) => ({
    metadata: {
      name: claimNameOf(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata?.labels, ...set.spec!.selector?.matchLabels },
      ...(template.metadata?.annotations && { annotations: { ...template.metadata.annotations } }),
    },
    spec: template.spec,
    status: {},
  })) as Draft<PersistentVolumeClaim>[];
}

export interface ClaimOwnersPlan {
  /** Undefined when nothing changes. */
  owners?: OwnerReference[];
  /** Another controller, or an earlier set or pod of the same name, has the claim: the policy does not count for it. */
  isContested: boolean;
}

/**
 * Who should own a claim under the set's retention policy: the set, when claims are deleted with it; the pod, when
 * claims are deleted on scale-down and this pod is about to go. Other owners stay, and a claim that has another
 * controller is left to it.
 */
export function planClaimOwners(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  pod: Pod,
  fate: { isCondemned: boolean },
): ClaimOwnersPlan {
  const present = claim.metadata.ownerReferences ?? [];
  const us = [ownerOf(StatefulSet, set), ownerOf(Pod, pod)];
  const isOurs = (owner: OwnerReference) => us.some((one) => names(owner, one));
  const others = present.filter((owner) => !isOurs(owner));
  const wanted = wantedOwners(set, us, fate);
  const isStale = present.some((owner) => isOurs(owner) && !us.some(({ uid }) => uid === owner.uid));
  const isTaken = others.some(({ controller }) => controller);
  const isContested = wanted !== undefined && (isStale || isTaken);
  // What becomes of a claim that an earlier set or pod owned, the garbage collector decides.
  if (isStale) return { isContested };
  const ours = isContested || !wanted ? [] : wanted;
  const ownersText = (owners: readonly OwnerReference[]) =>
    owners
      .map(({ uid, controller }) => `${uid}/${controller ?? false}`)
      .sort()
      .join();
  const isSame = ownersText(present.filter(isOurs)) === ownersText(ours);
  return { isContested, ...(!isSame && { owners: [...others, ...ours] }) };
}

/** Undefined when the policy retains claims in all cases. */
function wantedOwners(
  { spec }: StatefulSet,
  [set, pod]: readonly OwnerReference[],
  { isCondemned }: { isCondemned: boolean },
): OwnerReference[] | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = spec!.persistentVolumeClaimRetentionPolicy ?? {};
  if (whenDeleted === 'Retain' && whenScaled === 'Retain') return undefined;
  if (whenScaled === 'Delete' && isCondemned) return [pod!];
  return whenDeleted === 'Delete' ? [set!] : [];
}

function ownerOf(type: ResourceType, object: KubeObject): OwnerReference {
  return controllerReference({ type, object });
}

/** Whether both have the same name and kind, regardless of version. */
function names(a: OwnerReference, b: OwnerReference): boolean {
  const group = ({ apiVersion }: OwnerReference) => apiVersion.slice(0, Math.max(0, apiVersion.indexOf('/')));
  return a.kind === b.kind && a.name === b.name && group(a) === group(b);
}

export interface ClaimsPlan {
  /** Those that are missing. */
  create: Draft<PersistentVolumeClaim>[];
  /** A claim that has to go first: nothing new may use it. */
  blockedBy: string | undefined;
}

/** The claims that the pod of an ordinal needs. `pod`: the present one, if there is one. */
export function planClaims(
  set: StatefulSet,
  ordinal: number,
  pod: Pod | undefined,
  claimOf: (key: string) => PersistentVolumeClaim | undefined,
): ClaimsPlan {
  const plan: ClaimsPlan = { create: [], blockedBy: undefined };
  const podName = podNameOf(set, ordinal);
  for (const draft of claimsFor(set, ordinal)) {
    const { name = '', namespace } = draft.metadata;
    const present = claimOf(`${namespace}/${name}`);
    if (!present) plan.create.push(draft);
    else if (present.metadata.deletionTimestamp || isStaleClaim(present, set, podName, pod))
      plan.blockedBy ??= name;
  }
  return plan;
}

/**
 * The claim is waiting for the garbage collector, which deletes it together with an earlier set or pod of the same name,
 * or takes it from that: nothing new may use it meanwhile.
 */
function isStaleClaim(
  claim: PersistentVolumeClaim,
  set: StatefulSet,
  podName: string,
  pod: Pod | undefined,
): boolean {
  return (claim.metadata.ownerReferences ?? []).some(
    ({ kind, name, uid }) =>
      (kind === 'Pod' && name === podName && uid !== pod?.metadata.uid) ||
      (kind === StatefulSet.kind && name === set.metadata.name && uid !== set.metadata.uid),
  );
}
