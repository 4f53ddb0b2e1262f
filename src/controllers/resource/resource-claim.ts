/**
 * ResourceClaims: created for pods from templates, and given up when the last pod that uses one is gone. The scheduler
 * chooses the devices themselves.
 */
import { controllerOf } from '../../api/meta.ts';
import { claimFinalizer, isMadeFor, podClaimAnnotation, podClaims } from '../../api/resource/pod-claims.ts';
import { Pod, ResourceClaim, ResourceClaimTemplate } from '../../api/resources.gen.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';

/** Creates claims for pods that name templates, and writes the claims' names into the pods' status. */
export const podResourceClaimController = defineController({
  name: 'resource_claim',
  component: 'resource_claim',
  reconciles: Pod,
  reads: [ResourceClaim],
  concerns: (pod) => podClaims(pod).some(({ isMade }) => isMade),
  watches: [
    watch(ResourceClaimTemplate, (template, old, informers) => {
      if (old) return [];
      const { namespace, name } = template.metadata;
      return [...informers.of(Pod).inNamespace(namespace ?? '')]
        .filter(({ spec }) =>
          spec?.resourceClaims?.some(({ resourceClaimTemplateName }) => resourceClaimTemplateName === name),
        )
        .map(({ metadata }) => `${namespace}/${metadata.name}`);
    }),
  ],
  async reconcile(key, cluster, signal) {
    const pod = cluster.get(Pod, key);
    if (!pod || pod.metadata.deletionTimestamp || isOver(pod)) return undefined;
    const missing = podClaims(pod).filter(({ claimName }) => claimName === undefined);
    if (missing.length === 0) return undefined;
    const resourceClaimStatuses: { name: string; resourceClaimName: string }[] = [];
    for (const { entry } of missing) {
      const claim = await makeClaim(pod, entry, cluster, signal);
      resourceClaimStatuses.push({ name: entry, resourceClaimName: claim.metadata.name });
    }
    const patch = { metadata: { uid: pod.metadata.uid }, status: { resourceClaimStatuses } };
    await cluster.patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal });
    return undefined;
  },
});

/** The claim for an entry: one that was created but is not yet in the pod's status, or a new one. */
async function makeClaim(
  pod: Pod,
  entry: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  const { namespace = '', name: podName, uid } = pod.metadata;
  for (const claim of cluster.informer(ResourceClaim).inNamespace(namespace))
    if (isMadeFor(claim, pod) && claim.metadata.annotations?.[podClaimAnnotation] === entry) return claim;
  const templateName = pod.spec?.resourceClaims?.find(
    ({ name }) => name === entry,
  )?.resourceClaimTemplateName;
  try {
    const template = cluster.get(ResourceClaimTemplate, `${namespace}/${templateName}`);
    if (!template)
      throw new Error(
        `resource claim template "${templateName}": resourceclaimtemplate.resource.k8s.io "${templateName}" not found`,
      );
    const { metadata, spec } = template.spec;
    const owner = {
      apiVersion: 'v1',
      kind: 'Pod',
      name: podName,
      uid,
      controller: true,
    };
    const draft = {
      metadata: {
        generateName: `${podName}-${entry}-`,
        namespace,
        ownerReferences: [owner],
        annotations: { ...metadata?.annotations, [podClaimAnnotation]: entry },
        ...(metadata?.labels && { labels: metadata.labels }),
      },
      spec,
    };
    return await cluster.create(ResourceClaim, draft as never, signal);
  } catch (error) {
    if (!signal.aborted && !(error instanceof StatusError && error.code >= 500)) {
      const why = messageOf(error);
      const message = `PodResourceClaim ${entry}: ${why}`;
      cluster.event(targetOf(Pod, pod), 'Warning', 'FailedResourceClaimCreation', message);
    }
    throw error;
  }
}

/**
 * Removes finished pods from a claim. A claim without users gives its devices back, and is deleted if it was created
 * for a pod.
 */
export const resourceClaimController = defineController({
  name: 'resource_claim',
  reconciles: ResourceClaim,
  watches: [
    watch(Pod, (pod, old) => {
      if (!old || (old !== pod && isOver(old) === isOver(pod))) return [];
      return podClaims(pod).flatMap(({ claimName }) =>
        claimName ? [`${pod.metadata.namespace}/${claimName}`] : [],
      );
    }),
  ],
  async reconcile(key, cluster, signal) {
    const claim = cluster.get(ResourceClaim, key);
    if (!claim) return undefined;
    const left = await releaseGone(claim, cluster, signal);
    if (left.status?.reservedFor?.length) return undefined;
    const owner = controllerOf(left);
    if (owner?.kind !== 'Pod' || left.metadata.deletionTimestamp) return undefined;
    if (await isGone(cluster, left, owner, signal)) await cluster.delete(ResourceClaim, left, signal);
    return undefined;
  },
});

/** Returns the claim as written. */
async function releaseGone(
  claim: ResourceClaim,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  const { reservedFor = [], ...status } = claim.status ?? {};
  const users: typeof reservedFor = [];
  for (const user of reservedFor)
    if (user.resource !== 'pods' || user.apiGroup || !(await isGone(cluster, claim, user, signal)))
      users.push(user);
  if (users.length > 0) {
    if (users.length === reservedFor.length) return claim;
    return await cluster.updateStatus(ResourceClaim, claim, { ...status, reservedFor: users }, signal);
  }
  const { deletionTimestamp } = claim.metadata;
  // The scheduler adds the finalizer just before it allocates: that one is left alone.
  if (reservedFor.length === 0 && !deletionTimestamp) return claim;
  const { allocation, devices: _, ...free } = status;
  const freed =
    reservedFor.length > 0 || allocation
      ? await cluster.writeStatus(ResourceClaim, { ...claim, status: free }, signal)
      : claim;
  const { finalizers = [] } = freed.metadata;
  if (!finalizers.includes(claimFinalizer)) return freed;
  const metadata = { ...freed.metadata, finalizers: finalizers.filter((name) => name !== claimFinalizer) };
  return await cluster.update(ResourceClaim, { ...freed, metadata }, signal);
}

/** A pod that the cache lacks may just not have arrived there: the server is asked. */
async function isGone(
  cluster: ReconcileCluster,
  claim: ResourceClaim,
  user: { name: string; uid: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace = '' } = claim.metadata;
  const { name, uid } = user;
  const pod =
    cluster.get(Pod, `${namespace}/${name}`) ??
    (await cluster.client.get(Pod, { namespace, name }, signal).catch(undefinedIfNotFound));
  return !pod || pod.metadata.uid !== uid || isOver(pod);
}

/** Also a pod that is being deleted before it had a node. */
function isOver({ metadata, spec, status }: Pod): boolean {
  if (metadata.deletionTimestamp && !spec?.nodeName) return true;
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
