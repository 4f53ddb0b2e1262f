/**
 * Tokens that a node may request: for accounts whose pods it runs, bound to such a pod, for audiences that the pod
 * names.
 */

import type { KubeObject } from '../../../api/meta.ts';
import { CSIDriver, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/resources.gen.ts';
import { notFound } from '../../../api/status.ts';
import type { TokenRequestSpec } from '../../../api/types/authentication-v1.gen.ts';
import { nodeNetworkAccount } from '../../../api/well-known.ts';
import { resourceQuestion } from '../../authorization/authorizer.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type NodeRequest, refuse } from './request.ts';

export async function checkToken(request: NodeRequest): Promise<void> {
  const { node, attributes, objects } = request;
  const { subresource, namespace, name } = attributes.request;
  if (attributes.operation !== 'CREATE' || subresource !== 'token') return;
  // The node's own network account has no pod; a role decides whether nodes may use it.
  if (namespace === nodeNetworkAccount.namespace && name === nodeNetworkAccount.name) return;
  const { spec } = attributes.object as KubeObject & { spec?: TokenRequestSpec };
  const ref = spec?.boundObjectRef;
  if (ref?.apiVersion !== 'v1' || ref.kind !== Pod.kind || !ref.name)
    throw refuse(request, 'node requested token not bound to a pod');
  if (!ref.uid) throw refuse(request, 'node requested token with a pod binding without a uid');
  const pod = objects.get(Pod, namespace, ref.name);
  if (!pod) throw notFound(Pod, ref.name);
  if (pod.metadata.uid !== ref.uid)
    throw refuse(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec.nodeName !== node)
    throw refuse(request, 'node requested token bound to a pod scheduled on a different node');
  await checkAudience(request, pod, spec?.audiences ?? []);
}

async function checkAudience(request: NodeRequest, pod: Pod, audiences: readonly string[]): Promise<void> {
  const { attributes, objects, authorize } = request;
  if (audiences.length > 1) throw refuse(request, 'node may only request 0 or 1 audiences');
  const [audience = ''] = audiences;
  if (audiencesOf(objects, pod).has(audience)) return;
  const { user, namespace, name } = attributes.request;
  const verb = 'request-serviceaccounts-token-audience';
  const decision = await authorize(
    resourceQuestion({ user, verb, group: '', resource: audience, namespace, name }),
  );
  if (!decision.allowed)
    throw refuse(
      request,
      `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`,
    );
}

/** The audiences of the pod's volumes: of projected tokens, or of drivers that request tokens. */
function audiencesOf(objects: ObjectReader, pod: Pod): Set<string> {
  const found = new Set<string>();
  for (const volume of pod.spec.volumes ?? []) {
    for (const { serviceAccountToken } of volume.projected?.sources ?? [])
      if (serviceAccountToken) found.add(serviceAccountToken.audience ?? '');
    const claim = volume.ephemeral
      ? `${pod.metadata.name}-${volume.name}`
      : volume.persistentVolumeClaim?.claimName;
    const driver = claim ? driverOfClaim(objects, pod.metadata.namespace ?? '', claim) : volume.csi?.driver;
    const wanted = driver ? objects.get(CSIDriver, '', driver)?.spec?.tokenRequests : undefined;
    for (const { audience } of wanted ?? []) found.add(audience ?? '');
  }
  return found;
}

function driverOfClaim(objects: ObjectReader, namespace: string, name: string): string | undefined {
  const volume = objects.get(PersistentVolumeClaim, namespace, name)?.spec?.volumeName;
  return volume ? objects.get(PersistentVolume, '', volume)?.spec?.csi?.driver : undefined;
}
