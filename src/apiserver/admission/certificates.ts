/** Certificate signing requests: whose they are, and who may approve and sign for a signer. */
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { forbidden } from '../../api/status.ts';
import { semanticEqual } from '../../api/validation/equality.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from './admission.ts';
import { mayActForSigner } from './signer-rights.ts';

const clientSigner = 'kubernetes.io/kube-apiserver-client';

export function certificateAdmission(authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateAdmission',
    operations: ['CREATE', 'UPDATE'],
    resources: [
      writesOf(CertificateSigningRequest),
      writesOf(CertificateSigningRequest, 'approval'),
      writesOf(CertificateSigningRequest, 'status'),
    ],
    mutate(attributes) {
      if (attributes.operation !== 'CREATE') return;
      const { name, uid, groups, extra } = attributes.request.user;
      const { spec } = attributes.object as CertificateSigningRequest;
      if (!spec) return;
      spec.username = name;
      if (uid) spec.uid = uid;
      else delete spec.uid;
      spec.groups = [...groups];
      if (extra)
        spec.extra = Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
      else delete spec.extra;
    },
    validate: (attributes) => checkSigningRequest(authorize, attributes),
  };
}

async function checkSigningRequest(authorize: Authorizer, attributes: AdmissionAttributes): Promise<void> {
  const { operation, request, object, old } = attributes;
  if (operation === 'CREATE') await refuseMasters(object as CertificateSigningRequest);
  if (operation !== 'UPDATE') return;
  const before = old as CertificateSigningRequest;
  if (request.subresource === 'approval') await requireSigner(authorize, attributes, before, 'approve');
  if (request.subresource === 'status' && isSigned(object as CertificateSigningRequest, before))
    await requireSigner(authorize, attributes, before, 'sign');
}

/** Or refused by its signer, which says so in a condition. */
function isSigned(
  { status: next }: CertificateSigningRequest,
  { status: before }: CertificateSigningRequest,
): boolean {
  return next?.certificate !== before?.certificate || !semanticEqual(next?.conditions, before?.conditions);
}

/** A certificate of that group would bypass authorization for as long as it is valid. */
async function refuseMasters(request: CertificateSigningRequest): Promise<void> {
  if (request.spec?.signerName !== clientSigner) return;
  const { parseSigningRequest } = await import('../../base/x509/pki.ts');
  let organizations: readonly string[];
  try {
    const pem = Buffer.from(request.spec.request, 'base64').toString();
    organizations = (await parseSigningRequest(pem)).organizations;
  } catch {
    return; // validation has reported what is wrong with it
  }
  if (organizations.includes(mastersGroup))
    throw forbidden(
      CertificateSigningRequest,
      request.metadata.name,
      `use of ${clientSigner} signer with ${mastersGroup} group is not allowed`,
    );
}

async function requireSigner(
  authorize: Authorizer,
  { request: { user } }: AdmissionAttributes,
  { metadata, spec }: CertificateSigningRequest,
  verb: 'approve' | 'sign',
): Promise<void> {
  const signer = spec?.signerName ?? '';
  if (await mayActForSigner(authorize, { user, verb, signer })) return;
  throw forbidden(
    CertificateSigningRequest,
    metadata.name,
    `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
  );
}
