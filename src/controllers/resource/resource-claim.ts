/**
 * ResourceClaims: created for pods from templates, and given up when the last pod that uses one is gone. The scheduler
 * chooses the devices themselves, and creates the claims for extended resources.
 */
import { podClaims } from '../../api/resource/pod-claims.ts';
import { Pod, ResourceClaim, ResourceClaimTemplate } from '../../api/resources.gen.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import {
  type ClaimStep,
  isOver,
  type PodReference,
  planPodClaims,
  planRelease,
  podsOfClaim,
} from './resource-claim-plan.ts';

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
    if (!pod) return undefined;
    const { namespace = '', uid } = pod.metadata;
    const claims = cluster.informer(ResourceClaim).inNamespace(namespace);
    const templateOf = (name: string) => cluster.get(ResourceClaimTemplate, `${namespace}/${name}`);
    const steps = planPodClaims(pod, claims, templateOf);
    if (steps.length === 0) return undefined;
    const resourceClaimStatuses: { name: string; resourceClaimName: string }[] = [];
    for (const step of steps) {
      const { metadata } = await takeStep(pod, step, cluster, signal);
      resourceClaimStatuses.push({ name: step.entry, resourceClaimName: metadata.name });
    }
    const patch = { metadata: { uid }, status: { resourceClaimStatuses } };
    await cluster.patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal });
    return undefined;
  },
});

async function takeStep(
  pod: Pod,
  step: ClaimStep,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  if ('present' in step) return step.present;
  try {
    if ('problem' in step) throw new Error(step.problem);
    return await cluster.create(ResourceClaim, step.create, signal);
  } catch (error) {
    if (!signal.aborted && !(error instanceof StatusError && error.code >= 500)) {
      const message = `PodResourceClaim ${step.entry}: ${messageOf(error)}`;
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
      const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
      return [...podClaims(pod).map(({ claimName }) => claimName), extended].flatMap((name) =>
        name ? [`${pod.metadata.namespace}/${name}`] : [],
      );
    }),
  ],
  async reconcile(key, cluster, signal) {
    const claim = cluster.get(ResourceClaim, key);
    if (!claim) return undefined;
    const gone = new Set<string>();
    for (const pod of podsOfClaim(claim))
      if (await isGone(cluster, claim.metadata.namespace, pod, signal)) gone.add(pod.uid);
    const { status, finalizers, isDeleted } = planRelease(claim, gone);
    let left = claim;
    if (status) left = await cluster.writeStatus(ResourceClaim, { ...left, status }, signal);
    if (finalizers)
      left = await cluster.update(
        ResourceClaim,
        { ...left, metadata: { ...left.metadata, finalizers } },
        signal,
      );
    if (isDeleted) await cluster.delete(ResourceClaim, left, signal);
    return undefined;
  },
});

/** The cache may lack a pod that has just arrived, or show an earlier one of its name: the server is asked. */
async function isGone(
  cluster: ReconcileCluster,
  namespace: string | undefined,
  { name, uid }: PodReference,
  signal: AbortSignal,
): Promise<boolean> {
  const cached = cluster.get(Pod, `${namespace}/${name}`);
  const pod =
    cached?.metadata.uid === uid
      ? cached
      : await cluster.client.get(Pod, { namespace, name }, signal).catch(undefinedIfNotFound);
  return !pod || pod.metadata.uid !== uid || isOver(pod);
}
