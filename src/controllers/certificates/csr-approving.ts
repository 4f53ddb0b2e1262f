/** Approves kubelets' requests for client certificates where authorization allows it. */
import { CertificateSigningRequest, SubjectAccessReview } from '../../api/resources.gen.ts';
import { defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { approve, isDecided } from './csr-approval.ts';
import { kindOfNodeClient, type ReadRequest, readRequest, signers } from './csr-request.ts';

const messages = {
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
};

export const csrApprovingController = defineController({
  name: 'certificate',
  component: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  concerns: (csr: CertificateSigningRequest) =>
    csr.spec.signerName === signers.kubeletClient && !isDecided(csr),
  async reconcile(name, cluster, signal) {
    const csr = cluster.get(CertificateSigningRequest, name);
    const plan = csr && planApproval(csr, await readRequest(csr));
    if (plan && (await isAllowed(cluster, csr, plan.review, signal)))
      await approve(cluster, csr, plan.message, signal);
    return undefined;
  },
});

/**
 * What must be allowed to the requester, and the message of the approval then. Undefined for requests that wait for an
 * administrator: unreadable and unauthorized ones do, like any other that no controller approves.
 */
export function planApproval(
  csr: CertificateSigningRequest,
  request: ReadRequest,
): { review: keyof typeof messages; message: string } | undefined {
  const kind = isDecided(csr) ? undefined : kindOfNodeClient(csr, request);
  return kind && { review: kind, message: messages[kind] };
}

async function isAllowed(
  cluster: ReconcileCluster,
  csr: CertificateSigningRequest,
  subresource: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { username = '', uid, groups, extra } = csr.spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    subresource,
  };
  const spec = { user: username, uid, groups, extra, resourceAttributes };
  const review = await cluster.client.create(
    SubjectAccessReview,
    { metadata: {}, spec } as Parameters<typeof cluster.client.create<SubjectAccessReview>>[1],
    { signal },
  );
  return review.status?.allowed === true;
}
