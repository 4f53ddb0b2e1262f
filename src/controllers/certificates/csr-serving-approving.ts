/**
 * Approves serving certificates that nodes request for themselves, for their own name and the addresses in their Node
 * object. Upstream leaves this to the administrator; here it is the only way a node's agent gets one.
 */
import { CertificateSigningRequest, Node } from '../../api/resources.gen.ts';
import { nodeUserPrefix } from '../../api/well-known.ts';
import type { ParsedSigningRequest } from '../../base/x509/pki.ts';
import { defineController } from '../../client/controller/controller.ts';
import { approve, isDecided } from './csr-approval.ts';
import { findRefusal, type ReadRequest, readRequest, signers } from './csr-request.ts';

export const csrServingApprovingController = defineController({
  name: 'certificate',
  component: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  reads: [Node],
  concerns: (csr: CertificateSigningRequest) =>
    csr.spec.signerName === signers.kubeletServing && !isDecided(csr),
  async reconcile(name, cluster, signal) {
    const csr = cluster.get(CertificateSigningRequest, name);
    if (!csr) return;
    const node = cluster.get(Node, csr.spec.username?.slice(nodeUserPrefix.length) ?? '');
    if (maySelfServe(csr, await readRequest(csr), node))
      await approve(cluster, csr, 'The node asked for its own name and addresses.', signal);
  },
});

/** Whether a request that is not decided on yet may be approved. `node`: the requester's, if it is a node. */
export function maySelfServe(
  csr: CertificateSigningRequest,
  request: ReadRequest,
  node: Node | undefined,
): boolean {
  if (!node || isDecided(csr) || csr.spec.signerName !== signers.kubeletServing) return false;
  if ('unreadable' in request || findRefusal(csr, request)) return false;
  return isOfNode(request, csr.spec.username ?? '', node);
}

/** The requester is the node, and every name in the request is one of the node's. */
export function isOfNode(request: ParsedSigningRequest, username: string, node: Node): boolean {
  const { name } = node.metadata;
  const addresses = new Set([name, ...(node.status?.addresses ?? []).map(({ address }) => address)]);
  return (
    username === `${nodeUserPrefix}${name}` &&
    request.commonName === username &&
    [...request.dnsNames, ...request.ipAddresses].every((each) => addresses.has(each))
  );
}
