/** Approves kubelets' requests for client certificates where authorization allows it. */
import { CertificateSigningRequest, SubjectAccessReview } from '../../api/resources.gen.ts';
import { defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { approve, isDecided } from './csr-approval.ts';
import { kindOfNodeClient, readRequest, signers } from './csr-request.ts';

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
    if (!csr || isDecided(csr)) return;
    const request = await readRequest(csr);
    // Unreadable and unauthorized requests wait for an administrator, like any other request that no controller
    // approves.
    const kind = 'unreadable' in request ? undefined : kindOfNodeClient(csr, request);
    if (!kind || !(await isAllowed(cluster, csr, kind, signal))) return;
    await approve(cluster, csr, messages[kind], signal);
  },
});

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
