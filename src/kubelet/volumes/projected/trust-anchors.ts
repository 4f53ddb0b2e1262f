/**
 * The certificates of ClusterTrustBundles in a pod's projected volume: of one bundle by name, or of all of a signer.
 */

import { ClusterTrustBundle } from '../../../api/resources.gen.ts';
import { compileLabelSelector } from '../../../api/selectors/label-selector.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { ObjectSource } from '../../object-source.ts';

export function bundlesOfSigner(signerName: string): string {
  return `spec.signerName=${signerName}`;
}

/** @throws Error in upstream's words */
export async function trustAnchors(
  objects: Pick<ObjectSource, 'get' | 'select'>,
  source: core.ClusterTrustBundleProjection,
): Promise<string> {
  const { name, signerName, optional } = source;
  if (name) {
    const found = await objects.get(ClusterTrustBundle, { name });
    if (found) return joinAnchors([found.spec.trustBundle]);
    if (optional) return '';
    throw new Error(
      `while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "${name}" not found`,
    );
  }
  if (!signerName)
    throw new Error('ClusterTrustBundle projection requires either name or signerName to be set');
  // No selector selects nothing, an empty one everything.
  const isSelected = compileLabelSelector(source.labelSelector);
  const bundles = (await objects.select(ClusterTrustBundle, bundlesOfSigner(signerName))).filter(
    ({ metadata }) => isSelected(metadata.labels ?? {}),
  );
  if (bundles.length === 0 && !optional)
    throw new Error('combination of signerName and labelSelector matched zero ClusterTrustBundles');
  return joinAnchors(bundles.map(({ spec }) => spec.trustBundle));
}

/**
 * Each certificate once, without surrounding text. Their order must not be relied on, so upstream shuffles it at each
 * start of a node; here it is sorted, so that an unchanged set leaves the file as it is.
 */
function joinAnchors(bundles: readonly string[]): string {
  const anchors = new Set<string>();
  for (const bundle of bundles)
    for (const [, base64 = ''] of bundle.matchAll(pemPattern)) anchors.add(base64.replace(/\s/g, ''));
  return [...anchors].sort().map(pemOf).join('');
}

const pemPattern = /-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]*)-----END CERTIFICATE-----/g;
const pemLineLength = 64;

function pemOf(base64: string): string {
  const lines = base64.match(new RegExp(`.{1,${pemLineLength}}`, 'g')) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
