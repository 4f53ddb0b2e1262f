/** Who may act for a signer of certificates: by its own name, or by all of its domain as `example.com/*`. */
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { type Authorizer, resourceQuestion } from '../authorization/authorizer.ts';
import type { UserInfo } from '../request.ts';

export async function mayActForSigner(
  authorize: Authorizer,
  { user, verb, signer }: { user: UserInfo; verb: 'approve' | 'sign' | 'attest'; signer: string },
): Promise<boolean> {
  const { group } = CertificateSigningRequest;
  for (const name of [signer, `${signer.split('/', 1)[0]}/*`]) {
    const about = { group, version: '*', resource: 'signers', name };
    if ((await authorize(resourceQuestion({ user, verb, ...about }))).allowed) return true;
  }
  return false;
}
