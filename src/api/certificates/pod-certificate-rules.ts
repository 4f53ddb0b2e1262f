/** What the spec of a PodCertificateRequest must be: of whom it is, for how long, and that its maker has the key. */
import { constants, type KeyObject, verify } from 'node:crypto';
import { DerError } from '../../base/x509/der.ts';
import type { PodCertificateRequestSpec } from '../types/certificates-v1beta1.gen.ts';
import {
  type FieldErrors,
  invalidValue,
  invalidWithoutValue,
  required,
  tooLong,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems, subdomainProblems } from '../validation/names.ts';
import { validateSignerName } from '../validation/signer-name.ts';
import { importKey } from './pkcs10/public-key.ts';
import { type SignedWithKey, signatureProblem } from './pkcs10/signature.ts';
import { readSigningRequest } from './pkcs10.ts';

export const lifetimeSecondsMin = 3600;
const lifetimeSecondsMax = 91 * 24 * 60 * 60;
const ownLifetimeSecondsMax = 24 * 60 * 60;
const uidMaxBytes = 128;
const keyMaxBytes = 10 * 1024;

/** Certificates of Kubernetes' own signers live shorter than those of others. */
export function lifetimeMaxOf(signerName: string): number {
  return /^([^/]*\.)?kubernetes\.io\//.test(signerName) ? ownLifetimeSecondsMax : lifetimeSecondsMax;
}

/** Keys are those of annotations, and always have a domain. */
export function* validateUserAnnotations(
  annotations: Record<string, string> | undefined,
  field: string,
): FieldErrors {
  for (const key of Object.keys(annotations ?? {})) {
    const name = key.toLowerCase();
    const problems = qualifiedNameProblems(name);
    yield* invalidFor(field, name, problems);
    if (problems.length === 0 && !name.includes('/'))
      yield invalidValue(field, name, 'must be a domain-prefixed key (such as "acme.io/foo")');
  }
}

export function* validatePodCertificateSpec(
  spec: Partial<PodCertificateRequestSpec>,
  field: string,
): FieldErrors {
  const { signerName = '', maxExpirationSeconds: seconds } = spec;
  yield* validateSignerName(signerName, `${field}.signerName`);
  yield* validateUserAnnotations(spec.unverifiedUserAnnotations, `${field}.unverifiedUserAnnotations`);
  for (const [nameField, uidField] of [
    ['podName', 'podUID'],
    ['serviceAccountName', 'serviceAccountUID'],
    ['nodeName', 'nodeUID'],
  ] as const) {
    const name = spec[nameField] ?? '';
    yield* invalidFor(`${field}.${nameField}`, name, subdomainProblems(name));
    yield* validateUid(spec[uidField] ?? '', `${field}.${uidField}`);
  }
  if (seconds === undefined) {
    yield required(`${field}.maxExpirationSeconds`, 'must be set');
    return;
  }
  const max = lifetimeMaxOf(signerName);
  if (seconds < lifetimeSecondsMin || seconds > max)
    yield invalidValue(
      `${field}.maxExpirationSeconds`,
      seconds,
      `must be in the range [${lifetimeSecondsMin}, ${max}]`,
    );
  yield* validateKey(spec, field);
}

function* validateUid(uid: string, field: string): FieldErrors {
  if (uid === '') yield invalidValue(field, uid, 'must not be empty');
  if (Buffer.byteLength(uid) > uidMaxBytes) yield tooLong(field, uidMaxBytes);
}

/** Either a request that is signed with the key, or the key and a signature of the pod's uid. */
function* validateKey(spec: Partial<PodCertificateRequestSpec>, field: string): FieldErrors {
  const bytesOf = (text: string | null | undefined) => Buffer.from(text ?? '', 'base64');
  const request = bytesOf(spec.stubPKCS10Request);
  const key = bytesOf(spec.pkixPublicKey);
  const proof = bytesOf(spec.proofOfPossession);
  if (request.length > 0 && key.length === 0 && proof.length === 0)
    yield* validateRequest(request, `${field}.stubPKCS10Request`);
  else if (request.length === 0 && key.length > 0 && proof.length > 0)
    yield* validateProvenKey({ key, proof, uid: spec.podUID ?? '' }, field);
  else
    yield invalidWithoutValue(
      field,
      'exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set',
    );
}

function* validateRequest(der: Buffer, field: string): FieldErrors {
  if (der.length > keyMaxBytes) {
    yield tooLong(field, keyMaxBytes);
    return;
  }
  const request = requestOf(der);
  if (!request) {
    yield invalidWithoutValue(field, 'must be a valid PKCS#10 CSR');
    return;
  }
  const key = request.key && importKey(request.key.info.full);
  const errors = key ? [...keyErrors(key, field, 'P256, P384, or P521')] : undefined;
  if (!errors) yield invalidWithoutValue(field, unknownKey);
  else if (errors.length > 0) yield* errors;
  else if (signatureProblem(request)) yield invalidWithoutValue(field, 'invalid signature');
}

function requestOf(der: Buffer): SignedWithKey | undefined {
  try {
    return readSigningRequest(der);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

interface ProvenKey {
  key: Buffer;
  proof: Buffer;
  uid: string;
}

function* validateProvenKey({ key: bytes, proof, uid }: ProvenKey, field: string): FieldErrors {
  const keyField = `${field}.pkixPublicKey`;
  for (const [path, value] of [
    [keyField, bytes],
    [`${field}.proofOfPossession`, proof],
  ] as const)
    if (value.length > keyMaxBytes) {
      yield tooLong(path, keyMaxBytes);
      return;
    }
  const key = importKey(bytes);
  if (!key) {
    yield invalidValue(keyField, bytes.toString('base64'), 'must be a valid PKIX-serialized public key');
    return;
  }
  const errors = [...keyErrors(key, keyField, 'P256 or P384')];
  yield* errors;
  if (errors.length === 0 && !isSigned(key, Buffer.from(uid), proof))
    yield invalidWithoutValue(`${field}.proofOfPossession`, 'could not verify proof-of-possession signature');
}

const unknownKey = 'unknown public key type; supported types are Ed25519, ECDSA, and RSA';
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const modulusBits = [3072, 4096];

/** `curveNames`: how the error names the allowed curves. */
function* keyErrors(key: KeyObject, field: string, curveNames: string): FieldErrors {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return;
    case 'ec':
      if (!curves.has(namedCurve))
        yield invalidValue(field, `curve ${namedCurve}`, `elliptic public keys must use curve ${curveNames}`);
      return;
    case 'rsa':
      if (!modulusBits.includes(modulusLength))
        yield invalidValue(
          field,
          `${modulusLength}-bit modulus`,
          'RSA keys must have modulus size 3072 or 4096',
        );
      return;
    default:
      yield invalidWithoutValue(field, unknownKey);
  }
}

function isSigned(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  if (key.asymmetricKeyType === 'ed25519') return verify(null, data, key, signature);
  if (key.asymmetricKeyType === 'ec') return verify('sha256', data, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify('sha256', data, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_AUTO }, signature);
}
