/** ClusterTrustBundles. */
import { readCertificate } from '../../base/x509/certificate.ts';
import { type PemBlock, pemBlocks } from '../../base/x509/pem.ts';
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ClusterTrustBundle } from '../resources.gen.ts';
import { type FieldErrors, invalidValue, tooLong } from '../validation/field-error.ts';
import { immutable, invalidFor } from '../validation/fields.ts';
import { validateSignerName } from '../validation/signer-name.ts';
import { bundleNameProblems } from './bundle-name.ts';

export const clusterTrustBundleKind = defineKind(ClusterTrustBundle, {
  columns: [nameColumn, column('SignerName', ({ spec }) => spec?.signerName ?? ''), ageColumn],
  // Which names it may have depends on its signer.
  validateName: () => [],
  *validate(bundle, { isUpdate }) {
    const signer = bundle.spec?.signerName ?? '';
    const { name } = bundle.metadata;
    if (name && !isUpdate) yield* invalidFor('metadata.name', name, bundleNameProblems(name, signer));
    if (signer) yield* validateSignerName(signer, 'spec.signerName');
    if (!isUpdate) yield* validateAnchors(bundle.spec?.trustBundle ?? '', 'spec.trustBundle');
  },
  *validateUpdate(bundle, old) {
    const anchors = bundle.spec?.trustBundle ?? '';
    if (anchors !== old.spec?.trustBundle) yield* validateAnchors(anchors, 'spec.trustBundle');
    yield* immutable(bundle.spec?.signerName ?? '', old.spec?.signerName ?? '', 'spec.signerName');
  },
  selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
});

const anchorsMaxBytes = 1024 * 1024;

/** Certificates of authorities in PEM, each of them once. */
function* validateAnchors(text: string, field: string): FieldErrors {
  if (Buffer.byteLength(text) > anchorsMaxBytes) {
    yield tooLong(field, anchorsMaxBytes);
    return;
  }
  const problem = (why: string) => invalidValue(field, '<value omitted>', why);
  const problems: string[] = [];
  const places = new Map<string, number[]>();
  for (const [index, block] of [...pemBlocks(text)].entries()) {
    const why = anchorProblem(block);
    if (why) problems.push(`entry ${index} ${why}`);
    else {
      const key = Buffer.from(block.bytes).toString('base64');
      const indices = places.get(key);
      if (indices) indices.push(index);
      else places.set(key, [index]);
    }
  }
  for (const why of problems) yield problem(why);
  if (problems.length > 0) return;
  if (places.size === 0) yield problem('at least one trust anchor must be provided');
  for (const indices of places.values())
    if (indices.length > 1) yield problem(`duplicate trust anchor (indices [${indices.join(' ')}])`);
}

function anchorProblem({ type, hasHeaders, bytes }: PemBlock): string | undefined {
  if (type !== 'CERTIFICATE') return `has bad block type: ${type}`;
  if (hasHeaders) return 'has PEM block headers';
  const certificate = readCertificate(bytes);
  if (!certificate) return 'does not parse as X.509';
  return certificate.ca ? undefined : 'does not have the CA bit set';
}
