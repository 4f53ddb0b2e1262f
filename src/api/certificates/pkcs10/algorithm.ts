/** Identifiers of algorithms, with their parameters, in DER. */
import { DerReader, derKinds, readOid, sequence } from '../../../base/x509/der.ts';

export interface Algorithm {
  oid: string;
  /** With its head; empty when absent. */
  parameters: Uint8Array;
}

/** @throws DerError */
export function readAlgorithm(reader: DerReader): Algorithm {
  const parts = new DerReader(reader.value(sequence('AlgorithmIdentifier')).content);
  const oid = readOid(parts.value(derKinds.oid));
  return { oid, parameters: parts.isAtEnd ? new Uint8Array() : parts.any().full };
}
