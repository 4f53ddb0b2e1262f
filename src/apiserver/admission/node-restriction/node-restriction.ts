/** NodeRestriction: a node writes about itself and the pods that run on it, and about nothing else. */
import type { KubeObject } from '../../../api/meta.ts';
import {
  type CertificateSigningRequest,
  CSINode,
  Lease,
  type PersistentVolumeClaim,
  type ResourceSlice,
} from '../../../api/resources.gen.ts';
import { semanticEqual } from '../../../api/validation/equality.ts';
import { nodeUserPrefix } from '../../../api/well-known.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import { nodeNameOf } from '../../authorization/node-authorizer.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { checkNode } from './own-node.ts';
import { checkPod } from './own-pods.ts';
import { checkToken } from './pod-tokens.ts';
import { type NodeRequest, refuse } from './request.ts';

type Check = (request: NodeRequest) => Promise<void> | void;

/** By `group/resource`. */
const checks: Readonly<Record<string, Check>> = {
  pods: checkPod,
  nodes: checkNode,
  persistentvolumeclaims: checkClaim,
  serviceaccounts: checkToken,
  'coordination.k8s.io/leases': checkLease,
  'storage.k8s.io/csinodes': checkCsiNode,
  'resource.k8s.io/resourceslices': checkSlice,
  'certificates.k8s.io/certificatesigningrequests': checkSigningRequest,
  'certificates.k8s.io/podcertificaterequests': refusePodCertificate,
};

export function nodeRestriction(objects: ObjectReader, authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    handlesAnyKind: true,
    mutate(attributes) {
      const node = nodeNameOf(attributes.request.user);
      if (node === undefined) return undefined;
      const { group, plural } = attributes.request.resource.definition.type;
      const check = checks[group ? `${group}/${plural}` : plural];
      if (!check) return undefined;
      const request = { node, attributes, objects, authorize };
      if (node === '')
        throw refuse(
          request,
          `could not determine node from user ${JSON.stringify(attributes.request.user.name)}`,
        );
      return check(request);
    },
  };
}

function nameOf({ request, object }: AdmissionAttributes): string {
  return request.name || object?.metadata.name || '';
}

/** Of a claim, a node may update only the size that it has reached. */
function checkClaim(request: NodeRequest): void {
  const { node, attributes } = request;
  if (attributes.request.subresource !== 'status') throw refuse(request, 'may only update PVC status');
  const [next, before] = [attributes.object, attributes.old].map(withoutProgress);
  if (!semanticEqual(next, before))
    throw refuse(
      request,
      `node ${JSON.stringify(node)} is not allowed to update fields other than status.quantity and status.conditions`,
    );
}

function withoutProgress(claim: KubeObject | undefined): unknown {
  const { metadata, status = {}, ...rest } = claim as PersistentVolumeClaim;
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...others } = status;
  const { resourceVersion, managedFields, ...names } = metadata;
  return { ...rest, metadata: names, status: others };
}

function checkLease(request: NodeRequest): void {
  const { node, attributes } = request;
  if (attributes.request.namespace !== 'kube-node-lease')
    throw refuse(request, 'can only access leases in the "kube-node-lease" system namespace');
  if (nameOf(attributes) !== node)
    throw refuse(
      request,
      `can only access node ${Lease.kind.toLowerCase()} with the same name as the requesting node`,
    );
}

function checkCsiNode(request: NodeRequest): void {
  if (nameOf(request.attributes) !== request.node)
    throw refuse(request, `can only access ${CSINode.kind} with the same name as the requesting node`);
}

function checkSlice(request: NodeRequest): void {
  const { operation, object, old } = request.attributes;
  const [verb, slice] = operation === 'CREATE' ? ['create', object] : ['delete', old];
  if (operation !== 'CREATE' && operation !== 'DELETE') return;
  if ((slice as ResourceSlice | undefined)?.spec?.nodeName !== request.node)
    throw refuse(request, `can only ${verb} ResourceSlice with the same NodeName as the requesting node`);
}

/** Certificates of pods are an option of upstream's that is off, and that nodes here have no use for. */
function refusePodCertificate(request: NodeRequest): void {
  throw refuse(request, 'PodCertificateRequest feature gate is disabled');
}

const kubeletSigners = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'];

/** Of a certificate for a kubelet, the subject is the node that asks. */
async function checkSigningRequest(request: NodeRequest): Promise<void> {
  const { operation, object } = request.attributes;
  const { spec } = (object ?? {}) as Partial<CertificateSigningRequest>;
  if (operation !== 'CREATE' || !kubeletSigners.includes(spec?.signerName ?? '')) return;
  const wanted = nodeUserPrefix + request.node;
  if ((await commonNameOf(request, spec?.request ?? '')) !== wanted)
    throw refuse(request, `can only create a node CSR with CN=${wanted}`);
}

async function commonNameOf(request: NodeRequest, encoded: string): Promise<string> {
  const { parseSigningRequest } = await import('../../../base/x509/pki.ts');
  try {
    return (await parseSigningRequest(Buffer.from(encoded, 'base64').toString())).commonName;
  } catch {
    // In upstream's words, whatever the actual problem is.
    throw refuse(request, 'unable to parse csr: PEM block type must be CERTIFICATE REQUEST');
  }
}
