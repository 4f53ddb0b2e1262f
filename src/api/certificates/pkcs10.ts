/** PKCS#10 requests as CertificateSigningRequests carry them: read, and refused, as upstream's library does. */
import {
  checkAnyValue,
  checkInteger,
  contextSpecific,
  DerError,
  DerReader,
  derKinds,
  readBits,
  readOid,
  sequence,
  setKind,
  syntaxError,
} from '../../base/x509/der.ts';
import { firstPemBlock } from '../../base/x509/pem.ts';
import { readAlgorithm } from './pkcs10/algorithm.ts';
import { checkKey, readPublicKeyInfo } from './pkcs10/public-key.ts';
import { checkExtensions } from './pkcs10/requested-extensions.ts';
import { type SignedWithKey, signatureProblem } from './pkcs10/signature.ts';

/** Why `pem` is no request that is signed with the key that it is for; undefined when it is one. */
export function signingRequestProblem(pem: Uint8Array): string | undefined {
  const block = firstPemBlock(Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength).toString('latin1'));
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  try {
    return signatureProblem(readSigningRequest(block.bytes));
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

/** @throws DerError when `der` is no request */
export function readSigningRequest(der: Uint8Array): SignedWithKey {
  const whole = new DerReader(der);
  const parts = new DerReader(whole.value(sequence('certificateRequest')).content);
  const signed = parts.value(sequence('tbsCertificateRequest'));
  const facts = new DerReader(signed.content);
  checkInteger(facts.value(derKinds.integer));
  const subject = facts.any();
  const info = readPublicKeyInfo(facts);
  const attributes = facts.value({ tag: 0, class: contextSpecific, isCompound: true });
  const rawAttributes = new DerReader(attributes.content).rest().map(({ full }) => full);
  const algorithm = readAlgorithm(parts);
  const signature = readBits(parts.value(derKinds.bits));
  if (!whole.isAtEnd) throw syntaxError('trailing data');
  const key = checkKey(info);
  checkSubject(subject.full);
  checkExtensions(rawAttributes);
  return { signed: signed.full, key, algorithm, signature };
}

/** Sets of pairs of a type and any value. @throws DerError */
function checkSubject(full: Uint8Array): void {
  const names = new DerReader(new DerReader(full).value(sequence('RDNSequence')).content);
  for (const { content } of names.rest(setKind('RelativeDistinguishedNameSET')))
    for (const pair of new DerReader(content).rest(sequence('AttributeTypeAndValue'))) {
      const parts = new DerReader(pair.content);
      readOid(parts.value(derKinds.oid));
      checkAnyValue(parts.any());
    }
}
