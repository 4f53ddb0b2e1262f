/** How a signing request is approved, and whether it has been decided on yet. */
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { hasCondition, withVerdict } from './csr-request.ts';

export function isDecided(csr: CertificateSigningRequest): boolean {
  return Boolean(csr.status?.certificate) || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied');
}

export async function approve(
  cluster: ReconcileCluster,
  csr: CertificateSigningRequest,
  message: string,
  signal: AbortSignal,
): Promise<void> {
  const approval = { type: 'Approved', reason: 'AutoApproved', message };
  const status = withVerdict(csr, approval, cluster.clock.now());
  await cluster.client.update(
    CertificateSigningRequest,
    { ...csr, status },
    { subresource: 'approval', signal },
  );
}
