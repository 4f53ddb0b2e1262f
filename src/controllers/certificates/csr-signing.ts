/** Signs approved certificate requests for the cluster's own signers. */

import { X509Certificate } from 'node:crypto';
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { CertificatePair } from '../../base/pki.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import { findRefusal, hasCondition, readRequest, requestPem, signers } from './csr-request.ts';

const ownSigners: ReadonlySet<string> = new Set(Object.values(signers));
const validityDefaultMs = 365 * 86_400_000;
const validityMinMs = 600_000;
/** Clocks differ slightly: a certificate is valid from shortly before its issue. */
const backdateMs = 300_000;
/** Shorter validity is given in full; of a longer one, the time before the issue is a part. */
const shortMs = 8 * 3_600_000;

export function csrSigningController(authority: CertificatePair): AnyController {
  return defineController({
    name: 'certificate',
    component: 'certificate-controller',
    reconciles: CertificateSigningRequest,
    concerns: (csr: CertificateSigningRequest) => isWaiting(csr),
    async reconcile(name, cluster, signal) {
      const csr = cluster.get(CertificateSigningRequest, name);
      if (!csr || !isWaiting(csr)) return;
      const nowMs = cluster.clock.now();
      const outcome = await sign(authority, csr, nowMs);
      const now = formatTime(nowMs);
      const status =
        'certificate' in outcome
          ? { ...csr.status, certificate: Buffer.from(outcome.certificate).toString('base64') }
          : {
              ...csr.status,
              conditions: [
                ...(csr.status?.conditions ?? []),
                {
                  type: 'Failed',
                  status: 'True',
                  reason: 'SignerValidationFailure',
                  message: outcome.refusal,
                  lastUpdateTime: now,
                  lastTransitionTime: now,
                },
              ],
            };
      await cluster.updateStatus(CertificateSigningRequest, csr, status, signal);
    },
  });
}

function isWaiting(csr: CertificateSigningRequest): boolean {
  return (
    ownSigners.has(csr.spec.signerName) &&
    hasCondition(csr, 'Approved') &&
    !hasCondition(csr, 'Denied') &&
    !hasCondition(csr, 'Failed') &&
    !csr.status?.certificate
  );
}

async function sign(
  authority: CertificatePair,
  csr: CertificateSigningRequest,
  nowMs: number,
): Promise<{ certificate: string } | { refusal: string }> {
  const request = await readRequest(csr);
  const refusal = 'unreadable' in request ? request.unreadable : findRefusal(csr, request);
  if (refusal !== undefined) return { refusal };
  const authorityEndMs = Date.parse(new X509Certificate(authority.cert).validTo);
  const validity = validityOf(csr.spec.expirationSeconds, authorityEndMs, nowMs);
  const wanted = csr.spec.usages ?? [];
  const usages = (['server', 'client'] as const).filter((usage) => wanted.includes(`${usage} auth`));
  const { signRequest } = await import('../../base/pki.ts');
  const certificate = await signRequest(authority, requestPem(csr), {
    usages,
    keyUsages: wanted,
    ...validity,
  });
  return { certificate };
}

/**
 * No certificate outlives its authority. `askedSeconds`: how long it should be valid, as far as the signer allows.
 * @throws when the authority has ended: the request is not at fault, and waits for another authority
 */
export function validityOf(
  askedSeconds: number | undefined,
  authorityEndMs: number,
  nowMs: number,
): { notBefore: Date; notAfter: Date } {
  if (nowMs >= authorityEndMs)
    throw new Error(`the signer has expired: NotAfter=${new Date(authorityEndMs).toISOString()}`);
  const validityMs =
    askedSeconds === undefined
      ? validityDefaultMs
      : Math.min(validityDefaultMs, Math.max(validityMinMs, askedSeconds * 1000));
  const endMs = nowMs + (validityMs < shortMs ? validityMs : validityMs - backdateMs);
  return { notBefore: new Date(nowMs - backdateMs), notAfter: new Date(Math.min(endMs, authorityEndMs)) };
}
