/** How a signing request is approved, and whether it has been decided on yet. */
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { hasCondition } from './csr-request.ts';

export function isDecided(csr: CertificateSigningRequest): boolean {
  return Boolean(csr.status?.certificate) || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied');
}

export async function approve(
  cluster: ReconcileCluster,
  csr: CertificateSigningRequest,
  message: string,
  signal: AbortSignal,
): Promise<void> {
  const now = formatTime(cluster.clock.now());
  const approval = {
    type: 'Approved',
    status: 'True',
    reason: 'AutoApproved',
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), approval] };
  await cluster.client.update(
    CertificateSigningRequest,
    { ...csr, status },
    { subresource: 'approval', signal },
  );
}
