/** What a certificate request asks for, and whether its signer may give it. */

import { findCondition } from '../../api/conditions.ts';
import type { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { CertificateSigningRequestStatus } from '../../api/types/certificates-v1.gen.ts';
import { nodesGroup, nodeUserPrefix } from '../../api/well-known.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { ParsedSigningRequest } from '../../base/x509/pki.ts';

export const signers = {
  client: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacy: 'kubernetes.io/legacy-unknown',
} as const;

const keyUsages = new Set(['digital signature', 'key encipherment']);

export function hasCondition(csr: CertificateSigningRequest, type: string): boolean {
  return findCondition(csr.status?.conditions, type)?.status === 'True';
}

/** The status with one more condition, which lasts. */
export function withVerdict(
  { status }: CertificateSigningRequest,
  verdict: { type: string; reason: string; message: string },
  nowMs: number,
): CertificateSigningRequestStatus {
  const now = formatTime(nowMs);
  const condition = { ...verdict, status: 'True' as const, lastUpdateTime: now, lastTransitionTime: now };
  return { ...status, conditions: [...(status?.conditions ?? []), condition] };
}

/** What a request asks for, or why it cannot be read. */
export type ReadRequest = ParsedSigningRequest | { unreadable: string };

/** Parses the PEM of the request. */
export async function readRequest(csr: CertificateSigningRequest): Promise<ReadRequest> {
  // Loaded on demand: many clusters never see a request, and the library is large.
  const { parseSigningRequest } = await import('../../base/x509/pki.ts');
  try {
    return await parseSigningRequest(requestPem(csr));
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}

export function requestPem(csr: CertificateSigningRequest): string {
  return Buffer.from(csr.spec.request, 'base64').toString('utf8');
}

/** Names by which the API server itself is known: no certificate for them can be obtained by request. */
const reservedNames = new Set(['front-proxy-client']);

/** Why the signer refuses; undefined when it accepts. */
export function findRefusal(csr: CertificateSigningRequest, request: ReadRequest): string | undefined {
  if ('unreadable' in request) return request.unreadable;
  const usages = csr.spec.usages ?? [];
  if (reservedNames.has(request.commonName)) return `common name ${request.commonName} is reserved`;
  switch (csr.spec.signerName) {
    case signers.client:
      return refuseClientUsages(usages);
    case signers.kubeletClient:
      return (
        refuseOrganization(request) ??
        refuseNames(request, ['dnsNames', 'emailAddresses', 'ipAddresses', 'uris']) ??
        refuseCommonName(request) ??
        refuseNodeUsages(usages, 'client auth')
      );
    case signers.kubeletServing:
      return (
        refuseOrganization(request) ??
        (request.dnsNames.length + request.ipAddresses.length === 0
          ? 'DNS or IP subjectAltName is required'
          : undefined) ??
        refuseNames(request, ['emailAddresses', 'uris']) ??
        refuseNodeUsages(usages, 'server auth') ??
        refuseCommonName(request)
      );
    default:
      return undefined;
  }
}

function refuseOrganization({ organizations }: ParsedSigningRequest): string | undefined {
  const isNodes = organizations.length === 1 && organizations[0] === nodesGroup;
  return isNodes ? undefined : `subject organization is not ${nodesGroup}`;
}

function refuseCommonName({ commonName }: ParsedSigningRequest): string | undefined {
  return commonName.startsWith(nodeUserPrefix)
    ? undefined
    : `subject common name does not begin with ${nodeUserPrefix}`;
}

const nameKinds = { dnsNames: 'DNS', emailAddresses: 'Email', ipAddresses: 'IP', uris: 'URI' } as const;

function refuseNames(
  request: ParsedSigningRequest,
  kinds: readonly (keyof typeof nameKinds)[],
): string | undefined {
  const found = kinds.find((kind) => request[kind].length > 0);
  return found && `${nameKinds[found]} subjectAltNames are not allowed`;
}

function refuseClientUsages(usages: readonly string[]): string | undefined {
  const extra = usages.find((usage) => usage !== 'client auth' && !keyUsages.has(usage));
  if (extra !== undefined) return `invalid usage for client certificate: ${extra}`;
  return usages.includes('client auth')
    ? undefined
    : 'missing required usage for client certificate: client auth';
}

/** A node's key may be of a kind that cannot encipher; all other usages are fixed. */
function refuseNodeUsages(usages: readonly string[], purpose: string): string | undefined {
  const wanted = [...keyUsages, purpose].sort();
  const given = new Set([...usages, 'key encipherment']);
  const isSame = usages.includes('digital signature') && [...given].sort().join() === wanted.join();
  return isSame ? undefined : `usages did not match [${wanted.join(' ')}]`;
}

/** A kubelet's client certificate, requested by the node itself or on its behalf. */
export function kindOfNodeClient(
  csr: CertificateSigningRequest,
  request: ReadRequest,
): 'selfnodeclient' | 'nodeclient' | undefined {
  if (csr.spec.signerName !== signers.kubeletClient) return undefined;
  if ('unreadable' in request || findRefusal(csr, request)) return undefined;
  return csr.spec.username === request.commonName ? 'selfnodeclient' : 'nodeclient';
}
