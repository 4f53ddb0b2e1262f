/** ClusterTrustBundleAttest: what is to be trusted in a signer's name says who may speak for that signer. */
import { ClusterTrustBundle } from '../../api/resources.gen.ts';
import { forbidden } from '../../api/status.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';
import { changesOnlyOwners } from './owner-changes.ts';
import { mayActForSigner } from './signer-rights.ts';

export function clusterTrustBundleAttest(authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'ClusterTrustBundleAttest',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(ClusterTrustBundle)],
    async validate({ request, object, old, name }) {
      const { spec, metadata } = object as ClusterTrustBundle;
      const signer = spec?.signerName;
      if (!signer || (old && changesOnlyOwners(object!, old))) return;
      if (await mayActForSigner(authorize, { user: request.user, verb: 'attest', signer })) return;
      const why = `user not permitted to attest for signerName ${JSON.stringify(signer)}`;
      throw forbidden(ClusterTrustBundle, metadata.name || name, why);
    },
  };
}
