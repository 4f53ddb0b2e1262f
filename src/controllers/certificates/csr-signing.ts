/** Signs approved certificate requests for the cluster's own signers. */

import { X509Certificate } from 'node:crypto';
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import type { CertificatePair, SignRequestOptions } from '../../base/x509/pki.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import {
  findRefusal,
  hasCondition,
  type ReadRequest,
  readRequest,
  requestPem,
  signers,
  withVerdict,
} from './csr-request.ts';

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
      const plan = planSigning(csr, await readRequest(csr), { authorityEndMs: endOf(authority), nowMs });
      const status =
        'refused' in plan
          ? plan.refused
          : { ...csr.status, certificate: await sign(authority, csr, plan.options) };
      await cluster.updateStatus(CertificateSigningRequest, csr, status, signal);
    },
  });
}

type Status = NonNullable<CertificateSigningRequest['status']>;
type SigningPlan = { options: SignRequestOptions } | { refused: Status };

/** @throws when the authority has ended, see {@link validityOf} */
export function planSigning(
  csr: CertificateSigningRequest,
  request: ReadRequest,
  { authorityEndMs, nowMs }: { authorityEndMs: number; nowMs: number },
): SigningPlan {
  const message = findRefusal(csr, request);
  if (message !== undefined)
    return {
      refused: withVerdict(csr, { type: 'Failed', reason: 'SignerValidationFailure', message }, nowMs),
    };
  const { usages: keyUsages = [], expirationSeconds } = csr.spec;
  const usages = (['server', 'client'] as const).filter((usage) => keyUsages.includes(`${usage} auth`));
  return { options: { usages, keyUsages, ...validityOf(expirationSeconds, authorityEndMs, nowMs) } };
}

function endOf({ cert }: CertificatePair): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

async function sign(
  authority: CertificatePair,
  csr: CertificateSigningRequest,
  options: SignRequestOptions,
): Promise<string> {
  const { signRequest } = await import('../../base/x509/pki.ts');
  const pem = await signRequest(authority, requestPem(csr), options);
  return Buffer.from(pem).toString('base64');
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
