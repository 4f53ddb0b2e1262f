/** Which ResourceClaims a pod still needs, and what becomes of a claim when pods that use it are gone. */
import { controllerOf, type Draft } from '../../api/meta.ts';
import { claimFinalizer, isMadeFor, podClaimAnnotation, podClaims } from '../../api/resource/pod-claims.ts';
import type { Pod, ResourceClaim, ResourceClaimTemplate } from '../../api/resources.gen.ts';

/** The claim of one entry of a pod that names a template. */
export type ClaimStep = { entry: string } & (
  | { create: Draft<ResourceClaim> }
  /** Was created, but the pod's status does not name it yet. */
  | { present: ResourceClaim }
  | { problem: string }
);

/** `claims`: of the pod's namespace. */
export function planPodClaims(
  pod: Pod,
  claims: Iterable<ResourceClaim>,
  templateOf: (name: string) => ResourceClaimTemplate | undefined,
): ClaimStep[] {
  if (pod.metadata.deletionTimestamp || isOver(pod)) return [];
  const missing = podClaims(pod).filter(({ claimName }) => claimName === undefined);
  if (missing.length === 0) return [];
  const made = new Map<string | undefined, ResourceClaim>();
  for (const claim of claims)
    if (isMadeFor(claim, pod)) made.set(claim.metadata.annotations?.[podClaimAnnotation], claim);
  return missing.map(({ entry }) => {
    const present = made.get(entry);
    if (present) return { entry, present };
    const named = pod.spec?.resourceClaims?.find(({ name }) => name === entry)?.resourceClaimTemplateName;
    const template = templateOf(named ?? '');
    if (template) return { entry, create: claimFromTemplate(pod, entry, template) };
    const problem = `resource claim template "${named}": resourceclaimtemplate.resource.k8s.io "${named}" not found`;
    return { entry, problem };
  });
}

function claimFromTemplate(
  { metadata: { name, namespace = '', uid } }: Pod,
  entry: string,
  template: ResourceClaimTemplate,
): Draft<ResourceClaim> {
  const { metadata, spec } = template.spec;
  return {
    metadata: {
      generateName: `${name}-${entry}-`,
      namespace,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }],
      annotations: { ...metadata?.annotations, [podClaimAnnotation]: entry },
      ...(metadata?.labels && { labels: metadata.labels }),
    },
    spec,
  };
}

/** A pod that a claim names. */
export interface PodReference {
  name: string;
  uid: string;
}

/** The pods on which the claim depends: those that it is reserved for, and the one that it was made for. */
export function podsOfClaim(claim: ResourceClaim): PodReference[] {
  const users = (claim.status?.reservedFor ?? []).filter(isPod);
  const owner = ownerOf(claim);
  return owner && users.every(({ uid }) => uid !== owner.uid) ? [...users, owner] : users;
}

/** In the order in which it is done. Empty: the claim stays as it is. */
export interface ClaimRelease {
  status?: NonNullable<ResourceClaim['status']>;
  finalizers?: string[];
  isDeleted?: true;
}

/**
 * A claim without users gives its devices back, and is deleted if it was made for a pod. `gone`: uids of the
 * {@link podsOfClaim} that use nothing any longer.
 */
export function planRelease(claim: ResourceClaim, gone: ReadonlySet<string>): ClaimRelease {
  const { reservedFor = [], ...status } = claim.status ?? {};
  const users = reservedFor.filter((user) => !isPod(user) || !gone.has(user.uid));
  if (users.length > 0)
    return users.length === reservedFor.length ? {} : { status: { ...status, reservedFor: users } };
  const { deletionTimestamp, finalizers = [] } = claim.metadata;
  const owner = ownerOf(claim);
  const end: ClaimRelease = owner && gone.has(owner.uid) && !deletionTimestamp ? { isDeleted: true } : {};
  // The scheduler adds the finalizer just before it allocates: that one is left alone.
  if (reservedFor.length === 0 && !deletionTimestamp) return end;
  const { allocation, devices: _, ...free } = status;
  return {
    ...((reservedFor.length > 0 || allocation) && { status: free }),
    ...(finalizers.includes(claimFinalizer) && {
      finalizers: finalizers.filter((name) => name !== claimFinalizer),
    }),
    ...end,
  };
}

function isPod({ resource, apiGroup }: { resource: string; apiGroup?: string }): boolean {
  return resource === 'pods' && !apiGroup;
}

function ownerOf(claim: ResourceClaim): PodReference | undefined {
  const owner = controllerOf(claim);
  return owner?.kind === 'Pod' ? owner : undefined;
}

/** Also a pod that is being deleted before it had a node. */
export function isOver({ metadata, spec, status }: Pod): boolean {
  if (metadata.deletionTimestamp && !spec?.nodeName) return true;
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
