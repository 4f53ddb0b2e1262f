/** What a certificate request asks for, and whether its signer may give it. */

import type { CertificateSigningRequest } from '../api/resources.gen.ts';
import { type ParsedSigningRequest, parseSigningRequest } from '../base/pki.ts';
import { findCondition } from './conditions.ts';

export const signers = {
  client: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacy: 'kubernetes.io/legacy-unknown',
} as const;

const nodePrefix = 'system:node:';
const nodesGroup = 'system:nodes';
const keyUsages = new Set(['digital signature', 'key encipherment']);

export function hasCondition(csr: CertificateSigningRequest, type: string): boolean {
  return findCondition(csr.status?.conditions, type)?.status === 'True';
}

/** The PEM within the request, read. @throws when it is none. */
export async function readRequest(csr: CertificateSigningRequest): Promise<ParsedSigningRequest> {
  return await parseSigningRequest(requestPem(csr));
}

export function requestPem(csr: CertificateSigningRequest): string {
  return Buffer.from(csr.spec.request, 'base64').toString('utf8');
}

/** Names that the API server itself goes by before others: nobody gets a certificate of them by asking. */
const reservedNames = new Set(['front-proxy-client']);

/** Why the signer refuses; undefined when it does not. */
export function findRefusal(
  csr: CertificateSigningRequest,
  request: ParsedSigningRequest,
): string | undefined {
  const usages = csr.spec.usages ?? [];
  if (reservedNames.has(request.commonName)) return `common name ${request.commonName} is reserved`;
  switch (csr.spec.signerName) {
    case signers.client:
      return refuseUsages(usages, 'client auth');
    case signers.kubeletClient:
      return refuseNode(request) ?? refuseNames(request) ?? refuseUsages(usages, 'client auth');
    case signers.kubeletServing:
      if (request.dnsNames.length + request.ipAddresses.length === 0)
        return 'at least one DNS or IP subjectAltName is required';
      if (request.otherNames.length > 0) return 'only DNS and IP subjectAltNames are allowed';
      return refuseNode(request) ?? refuseUsages(usages, 'server auth');
    default:
      return undefined;
  }
}

function refuseNode({ organizations, commonName }: ParsedSigningRequest): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== nodesGroup)
    return `organization needs to be ${nodesGroup}`;
  if (!commonName.startsWith(nodePrefix)) return `common name needs to start with ${nodePrefix}`;
  return undefined;
}

function refuseNames({ dnsNames, ipAddresses, otherNames }: ParsedSigningRequest): string | undefined {
  return dnsNames.length + ipAddresses.length + otherNames.length > 0
    ? 'no subjectAltNames are allowed'
    : undefined;
}

function refuseUsages(usages: readonly string[], needed: string): string | undefined {
  if (!usages.includes(needed)) return `usages did not contain required ${needed}`;
  const extra = usages.find((usage) => usage !== needed && !keyUsages.has(usage));
  return extra === undefined ? undefined : `usages contained ${extra}, which is not allowed`;
}

/** A kubelet's client certificate, asked for by the node itself or by somebody on its behalf. */
export function kindOfNodeClient(
  csr: CertificateSigningRequest,
  request: ParsedSigningRequest,
): 'selfnodeclient' | 'nodeclient' | undefined {
  if (csr.spec.signerName !== signers.kubeletClient || findRefusal(csr, request)) return undefined;
  return csr.spec.username === request.commonName ? 'selfnodeclient' : 'nodeclient';
}
