/** DNS resource records, as far as cluster DNS answers with them (RFC 1035, RFC 2782). */

export const RecordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;

export type ResourceRecord = { name: string; ttlSeconds: number } & (
  | { type: typeof RecordType.A | typeof RecordType.AAAA; address: string }
  | { type: typeof RecordType.CNAME | typeof RecordType.PTR | typeof RecordType.NS; target: string }
  | { type: typeof RecordType.SRV; priority: number; weight: number; port: number; target: string }
  | { type: typeof RecordType.TXT; text: string }
  | { type: typeof RecordType.SOA; primary: string; mailbox: string; serial: number; minimumSeconds: number }
);

/** Class IN. */
export const internetClass = 1;
