/** DNS messages (RFC 1035, EDNS of RFC 6891), as far as a server of cluster names and a forwarder need them. */
import { headerBytes, readName, readRecord } from './message-reader.ts';
import { MessageWriter, messageBytesMax, optRecordBytes } from './message-writer.ts';
import { internetClass, RecordType, type ResourceRecord } from './resource-record.ts';

export const ResponseCode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

export interface Query {
  id: number;
  opcode: number;
  recursionDesired: boolean;
  checkingDisabled: boolean;
  /** As in the query, with its case, without the trailing dot; '' for the root. */
  name: string;
  type: number;
  class: number;
  /** Present when the client speaks EDNS. */
  edns: { udpSizeBytes: number; version: number; dnssecOk: boolean } | undefined;
}

export interface Response {
  code: number;
  authoritative: boolean;
  recursionAvailable?: boolean;
  answers: readonly ResourceRecord[];
  authorities?: readonly ResourceRecord[];
  additionals?: readonly ResourceRecord[];
}

const additionalCountOffset = 10;

/**
 * Undefined: not to be answered (too short, or itself an answer). `malformed`: it has a header that can be answered.
 */
export function parseQuery(bytes: Buffer): Query | { malformed: true; id: number } | undefined {
  if (bytes.length < headerBytes || (bytes[2]! & 0x80) !== 0) return undefined;
  const id = bytes.readUInt16BE(0);
  const malformed = { malformed: true as const, id };
  if (bytes.readUInt16BE(4) !== 1) return malformed;
  const question = readName(bytes, headerBytes);
  if (!question || question.end + 4 > bytes.length) return malformed;
  const edns = readEdns(bytes, question.end + 4);
  if (edns === 'malformed') return malformed;
  return {
    id,
    opcode: (bytes[2]! >> 3) & 0xf,
    recursionDesired: (bytes[2]! & 1) === 1,
    checkingDisabled: (bytes[3]! & 0x10) !== 0,
    name: question.name,
    type: bytes.readUInt16BE(question.end),
    class: bytes.readUInt16BE(question.end + 2),
    edns,
  };
}

/**
 * The answer as bytes. Records that do not fit into `sizeBytesMax` are left out; if answers are among them, the
 * truncation bit is set, so that the client retries over TCP.
 */
export function encodeResponse(query: Query, response: Response, sizeBytesMax = messageBytesMax): Buffer {
  const writer = new MessageWriter(sizeBytesMax - (query.edns ? optRecordBytes : 0));
  writer.name(query.name);
  writer.uint16(query.type);
  writer.uint16(query.class);
  const answered = writer.records(response.answers);
  const isTruncated = answered < response.answers.length;
  const authorities = isTruncated ? 0 : writer.records(response.authorities ?? []);
  const additionals = isTruncated ? 0 : writer.records(response.additionals ?? []);
  if (query.edns) writer.opt(query.edns, response.code >> 4);
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (response.authoritative ? 0x0400 : 0) |
    (isTruncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    (response.recursionAvailable ? 0x0080 : 0) |
    (query.checkingDisabled ? 0x0010 : 0) |
    (response.code & 0xf);
  return writer.finish(query.id, flags, [1, answered, authorities, additionals + (query.edns ? 1 : 0)]);
}

/** A header alone, for a message that cannot be read. */
export function encodeError(id: number, code: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x8000 | code, 2);
  return bytes;
}

/**
 * Another server's answer as an answer to `query`: with its id and its spelling of the name, which some resolvers
 * compare, and without OPT if the client did not send it.
 */
export function encodePassedOn(query: Query, answer: Buffer): Buffer {
  const opt = query.edns ? undefined : parseAnswer(answer)?.opt;
  const bytes = opt
    ? Buffer.concat([answer.subarray(0, opt.start), answer.subarray(opt.end)])
    : Buffer.from(answer);
  if (opt) bytes.writeUInt16BE(bytes.readUInt16BE(additionalCountOffset) - 1, additionalCountOffset);
  bytes.writeUInt16BE(query.id, 0);
  const asked = readName(bytes, headerBytes);
  if (asked?.name.toLowerCase() === query.name.toLowerCase()) writeLabels(bytes, query.name);
  return bytes;
}

/** Overwrites the question's name, which has the same length. */
function writeLabels(bytes: Buffer, name: string): void {
  let offset = headerBytes;
  for (const label of name === '' ? [] : name.split('.'))
    offset += 1 + bytes.write(label, offset + 1, 'latin1');
}

/** A query to another server. */
export function encodeQuery(id: number, name: string, type: number, udpSizeBytes: number): Buffer {
  const writer = new MessageWriter(messageBytesMax);
  writer.name(name);
  writer.uint16(type);
  writer.uint16(internetClass);
  writer.opt({ udpSizeBytes, dnssecOk: false }, 0);
  return writer.finish(id, 0x0100, [1, 0, 0, 1]);
}

export interface Answer {
  code: number;
  isTruncated: boolean;
  /** Records of the answer section that are interpreted here: addresses and aliases. */
  records: ResourceRecord[];
  /** The offset of each record's time to live, in all sections, except OPT's. */
  ttlOffsets: number[];
  /** The smallest time to live, or that of negative answers; 0 when there are no records. */
  ttlSeconds: number;
  /** The offset of the OPT record, if it is the last: then no pointer leads behind it. */
  opt?: { start: number; end: number };
}

/** Reads another server's answer; undefined when it is malformed. */
export function parseAnswer(bytes: Buffer): Answer | undefined {
  if (bytes.length < headerBytes) return undefined;
  const answerCount = bytes.readUInt16BE(6);
  const total = answerCount + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  let offset = headerBytes;
  for (let left = bytes.readUInt16BE(4); left > 0; left--) {
    const question = readName(bytes, offset);
    if (!question) return undefined;
    offset = question.end + 4;
  }
  const records: ResourceRecord[] = [];
  const ttlOffsets: number[] = [];
  let ttlSeconds = Number.POSITIVE_INFINITY;
  let opt: Answer['opt'];
  for (let index = 0; index < total; index++) {
    const record = readRecord(bytes, offset);
    if (!record) return undefined;
    opt = record.type === RecordType.OPT ? { start: offset, end: record.end } : undefined;
    if (record.type !== RecordType.OPT) {
      ttlOffsets.push(record.ttlOffset);
      ttlSeconds = Math.min(ttlSeconds, bytes.readUInt32BE(record.ttlOffset));
    }
    if (index < answerCount && record.value) records.push(record.value);
    offset = record.end;
  }
  return {
    code: bytes[3]! & 0xf,
    isTruncated: (bytes[2]! & 2) !== 0,
    records,
    ttlOffsets,
    ttlSeconds: Number.isFinite(ttlSeconds) ? ttlSeconds : 0,
    ...(opt && { opt }),
  };
}

function readEdns(bytes: Buffer, start: number): Query['edns'] | 'malformed' {
  let offset = start;
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  for (let index = 0; index < count; index++) {
    const record = readRecord(bytes, offset);
    if (!record) return 'malformed';
    if (record.type === RecordType.OPT) {
      return {
        udpSizeBytes: bytes.readUInt16BE(record.ttlOffset - 2),
        version: bytes[record.ttlOffset + 1]!,
        dnssecOk: (bytes[record.ttlOffset + 2]! & 0x80) !== 0,
      };
    }
    offset = record.end;
  }
  return undefined;
}
