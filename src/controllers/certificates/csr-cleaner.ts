/** Deletes certificate requests that are no longer needed. */
import { X509Certificate } from 'node:crypto';
import { findCondition } from '../../api/conditions.ts';
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { pause } from '../../base/clock.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';

const checkIntervalMs = 3_600_000;
const hourMs = 3_600_000;
/** How long a request is kept in each state. */
const keptMs = { Approved: hourMs, Denied: hourMs, Failed: hourMs, pending: 24 * hourMs };

export async function runCsrCleaner(environment: ControllerEnvironment, signal: AbortSignal): Promise<void> {
  const { client, informers, clock } = environment;
  const requests = informers.of(CertificateSigningRequest);
  const logger = environment.logger.for('csr-cleaner');
  await informers.synced();
  // At once after a start: one that is started again more often than once an interval would never get to it.
  for (; !signal.aborted; await pause(clock, checkIntervalMs, signal))
    for (const csr of [...requests.list()]) {
      const { uid, name } = csr.metadata;
      try {
        if (signal.aborted || !isDone(csr, clock.now())) continue;
        await client
          .delete(CertificateSigningRequest, csr.metadata, { preconditions: { uid }, signal })
          .catch(undefinedIfNotFound);
      } catch (error) {
        // This includes requests with unreadable certificates: any signer may have written them.
        logger.warn('could not remove a request', { name, error });
      }
    }
}

/** @throws when its certificate cannot be read */
export function isDone(csr: CertificateSigningRequest, nowMs: number): boolean {
  for (const type of ['Approved', 'Denied', 'Failed'] as const) {
    const condition = findCondition(csr.status?.conditions, type);
    const sinceMs = Date.parse(condition?.lastUpdateTime ?? condition?.lastTransitionTime ?? '');
    // An approved request without a certificate waits for its signer.
    if (type === 'Approved' && !csr.status?.certificate) continue;
    if (condition && nowMs - sinceMs > keptMs[type]) return true;
  }
  if (csr.status?.certificate) return isExpired(csr.status.certificate, nowMs);
  const isDecided = (csr.status?.conditions ?? []).length > 0;
  return !isDecided && nowMs - Date.parse(csr.metadata.creationTimestamp) > keptMs.pending;
}

function isExpired(certificate: string, nowMs: number): boolean {
  return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo) < nowMs;
}
