/** What a node may do to pods: create and delete its own mirror pods, update the status of its pods, evict them. */
import { Node, Pod } from '../../../api/resources.gen.ts';
import { notFound } from '../../../api/status.ts';
import { semanticEqual } from '../../../api/validation/equality.ts';
import { mirrorPodAnnotation } from '../../../api/well-known.ts';
import { apiReferenceOf } from './api-references.ts';
import { type NodeRequest, refuse } from './request.ts';

export function checkPod(request: NodeRequest): void {
  const { subresource } = request.attributes.request;
  if (subresource === 'status') checkStatus(request);
  else if (subresource === 'eviction') checkEviction(request);
  else if (subresource === '') checkWhole(request);
  else
    throw refuse(
      request,
      `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`,
    );
}

function checkWhole(request: NodeRequest): void {
  const { operation, object, old } = request.attributes;
  const who = `node ${JSON.stringify(request.node)}`;
  if (operation === 'CREATE') checkMirror(request, object as Pod);
  else if (operation !== 'DELETE')
    throw refuse(
      request,
      `unexpected operation ${JSON.stringify(operation)}, ${who} can only create and delete mirror pods`,
    );
  else if ((old as Pod | undefined)?.spec?.nodeName !== request.node)
    throw refuse(request, `${who} can only delete pods with spec.nodeName set to itself`);
}

function checkMirror(request: NodeRequest, pod: Pod): void {
  const who = `node ${JSON.stringify(request.node)}`;
  if (pod.metadata.annotations?.[mirrorPodAnnotation] === undefined)
    throw refuse(
      request,
      `pod does not have ${JSON.stringify(mirrorPodAnnotation)} annotation, ${who} can only create mirror pods`,
    );
  if (pod.spec?.nodeName !== request.node)
    throw refuse(request, `${who} can only create pods with spec.nodeName set to itself`);
  checkOwner(request, pod);
  const reference = apiReferenceOf(pod);
  if (reference) throw refuse(request, `${who} can not create pods that reference ${reference}`);
}

/** A mirror pod goes when its node goes. */
function checkOwner(request: NodeRequest, { metadata }: Pod): void {
  const { node, objects } = request;
  const who = `node ${JSON.stringify(node)}`;
  const [owner, ...others] = metadata.ownerReferences ?? [];
  if (others.length > 0)
    throw refuse(request, `${who} can only create pods with a single owner reference set to itself`);
  if (owner?.apiVersion !== 'v1' || owner.kind !== Node.kind || owner.name !== node)
    throw refuse(request, `${who} can only create pods with an owner reference set to itself`);
  if (!owner.controller)
    throw refuse(request, `${who} can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion)
    throw refuse(request, `${who} must not set blockOwnerDeletion on an owner reference`);
  const found = objects.get(Node, '', node);
  if (!found) throw notFound(Node, node);
  const { uid } = found.metadata;
  if (owner.uid !== uid) throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
}

function checkStatus(request: NodeRequest): void {
  const who = `node ${JSON.stringify(request.node)}`;
  const { operation } = request.attributes;
  if (operation !== 'UPDATE') throw refuse(request, `unexpected operation ${JSON.stringify(operation)}`);
  const [next, before] = [request.attributes.object as Pod, request.attributes.old as Pod];
  if (before.spec?.nodeName !== request.node)
    throw refuse(request, `${who} can only update pod status for pods with spec.nodeName set to itself`);
  if (!semanticEqual(next.metadata.labels, before.metadata.labels))
    throw refuse(request, `${who} cannot update labels through pod status`);
  if (!semanticEqual(next.status?.resourceClaimStatuses, before.status?.resourceClaimStatuses))
    throw refuse(request, `${who} cannot update resource claim statues`);
  if (!semanticEqual(next.status?.extendedResourceClaimStatus, before.status?.extendedResourceClaimStatus))
    throw refuse(request, `${who} cannot update extended resource claim status`);
}

function checkEviction(request: NodeRequest): void {
  const { node, attributes, objects } = request;
  const { namespace, name } = attributes.request;
  const pod = objects.get(Pod, namespace, name);
  if (!pod) throw notFound(Pod, name);
  if (pod.spec.nodeName !== node)
    throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
}
