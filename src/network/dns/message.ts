/** The DNS wire format (RFC 1035, EDNS of RFC 6891), as far as a server of cluster names and a forwarder need it. */

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
  /** As asked, with its case, without the last dot; '' for the root. */
  name: string;
  type: number;
  class: number;
  /** Present when the client speaks EDNS. */
  edns: { udpSizeBytes: number; version: number; dnssecOk: boolean } | undefined;
}

export type ResourceRecord = { name: string; ttlSeconds: number } & (
  | { type: typeof RecordType.A | typeof RecordType.AAAA; address: string }
  | { type: typeof RecordType.CNAME | typeof RecordType.PTR | typeof RecordType.NS; target: string }
  | { type: typeof RecordType.SRV; priority: number; weight: number; port: number; target: string }
  | { type: typeof RecordType.TXT; text: string }
  | { type: typeof RecordType.SOA; primary: string; mailbox: string; serial: number; minimumSeconds: number }
);

export interface Response {
  code: number;
  authoritative: boolean;
  recursionAvailable?: boolean;
  answers: readonly ResourceRecord[];
  authorities?: readonly ResourceRecord[];
  additionals?: readonly ResourceRecord[];
}

const headerBytes = 12;
const additionalCountOffset = 10;
const nameBytesMax = 255;
const labelBytesMax = 63;
const messageBytesMax = 65_535;
const internetClass = 1;
const soaTimersSeconds = { refresh: 7200, retry: 1800, expire: 86_400 };

/** Undefined: nothing to answer to (too short, or an answer itself). `malformed`: a header that can be answered. */
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
 * The answer as bytes. Records that do not fit into `sizeBytesMax` are left out: then the truncation bit is set when
 * answers are among them, so that the client asks again over TCP.
 */
export function encodeResponse(query: Query, response: Response, sizeBytesMax = messageBytesMax): Buffer {
  const writer = new Writer(sizeBytesMax - (query.edns ? optRecordBytes : 0));
  writer.name(query.name);
  writer.uint16(query.type);
  writer.uint16(query.class);
  const answered = writer.records(response.answers);
  const isTruncated = answered < response.answers.length;
  const authorities = isTruncated ? 0 : writer.records(response.authorities ?? []);
  const additionals = isTruncated ? 0 : writer.records(response.additionals ?? []);
  if (query.edns) writer.opt(query.edns.udpSizeBytes, query.edns.dnssecOk, response.code >> 4);
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

/** A header alone: what a message that cannot be read gets. */
export function encodeError(id: number, code: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x8000 | code, 2);
  return bytes;
}

/** A question for another server. */
/**
 * What another server answered as an answer to `query`: with its number and its spelling of the name, which some resolvers
 * compare, and without OPT where the client does not speak of it.
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

/** Over the question's name, of the same length. */
function writeLabels(bytes: Buffer, name: string): void {
  let offset = headerBytes;
  for (const label of name === '' ? [] : name.split('.'))
    offset += 1 + bytes.write(label, offset + 1, 'latin1');
}

export function encodeQuery(id: number, name: string, type: number, udpSizeBytes: number): Buffer {
  const writer = new Writer(messageBytesMax);
  writer.name(name);
  writer.uint16(type);
  writer.uint16(internetClass);
  writer.opt(udpSizeBytes, false, 0);
  return writer.finish(id, 0x0100, [1, 0, 0, 1]);
}

export interface Answer {
  code: number;
  isTruncated: boolean;
  /** Records of the answer section that this program reads: addresses and aliases. */
  records: ResourceRecord[];
  /** Where each record's time to live stands, of all sections but OPT. */
  ttlOffsets: number[];
  /** The least time to live, or that of negative answers; 0 when there are no records. */
  ttlSeconds: number;
  /** Where the OPT record stands, if it is the last: nothing points behind it then. */
  opt?: { start: number; end: number };
}

/** Reads what another server answered; undefined when it cannot be read. */
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

function readRecord(
  bytes: Buffer,
  offset: number,
): { type: number; ttlOffset: number; end: number; value: ResourceRecord | undefined } | undefined {
  const owner = readName(bytes, offset);
  if (!owner || owner.end + 10 > bytes.length) return undefined;
  const type = bytes.readUInt16BE(owner.end);
  const ttlOffset = owner.end + 4;
  const start = owner.end + 10;
  const end = start + bytes.readUInt16BE(owner.end + 8);
  if (end > bytes.length) return undefined;
  const base = { name: owner.name, ttlSeconds: bytes.readUInt32BE(ttlOffset) };
  let value: ResourceRecord | undefined;
  const data = bytes.subarray(start, end);
  if (type === RecordType.A) {
    if (data.length !== 4) return undefined;
    value = { ...base, type, address: data.join('.') };
  } else if (type === RecordType.AAAA) {
    if (data.length !== 16) return undefined;
    value = { ...base, type, address: formatIPv6(data) };
  } else if (type === RecordType.CNAME) {
    const target = readName(bytes, start);
    if (!target) return undefined;
    value = { ...base, type, target: target.name };
  }
  return { type, ttlOffset, end, value };
}

/** Follows compression; pointers only ever lead backwards, so that no message makes it run for long. */
function readName(bytes: Buffer, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let length = 0;
  let offset = start;
  let end: number | undefined;
  for (;;) {
    const size = bytes[offset];
    if (size === undefined) return undefined;
    if (size === 0) return { name: labels.join('.'), end: end ?? offset + 1 };
    if ((size & 0xc0) === 0xc0) {
      if (offset + 1 >= bytes.length) return undefined;
      const target = bytes.readUInt16BE(offset) & 0x3fff;
      if (target >= offset) return undefined;
      end ??= offset + 2;
      offset = target;
      length++;
      if (length > nameBytesMax) return undefined;
      continue;
    }
    if (size > labelBytesMax || offset + 1 + size > bytes.length) return undefined;
    const label = bytes.toString('latin1', offset + 1, offset + 1 + size);
    // A dot within a label could not be told from one between labels; no name of a cluster or of a host has one.
    if (label.includes('.')) return undefined;
    labels.push(label);
    length += size + 1;
    if (length > nameBytesMax) return undefined;
    offset += size + 1;
  }
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

/** Name, type, size, code and flags, length: an OPT record without options. */
const optRecordBytes = 11;

/** One message at a time is written, here; {@link Writer.finish} copies it out. */
const scratch = Buffer.alloc(messageBytesMax + 1024);

class Writer {
  readonly #sizeBytesMax: number;
  readonly #bytes = scratch;
  /** Where names that were written stand, lower-cased, to point back at. */
  readonly #names = new Map<string, number>();
  #offset = headerBytes;

  constructor(sizeBytesMax: number) {
    this.#sizeBytesMax = sizeBytesMax;
  }

  uint16(value: number): void {
    this.#offset = this.#bytes.writeUInt16BE(value, this.#offset);
  }

  name(name: string): void {
    let rest = name;
    while (rest !== '') {
      const known = this.#names.get(rest);
      if (known !== undefined) {
        this.uint16(0xc000 | known);
        return;
      }
      if (this.#offset < 0x4000) this.#names.set(rest, this.#offset);
      const dot = rest.indexOf('.');
      const label = dot < 0 ? rest : rest.slice(0, dot);
      this.#bytes[this.#offset] = label.length;
      this.#offset += 1 + this.#bytes.write(label, this.#offset + 1, 'latin1');
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    this.#bytes[this.#offset++] = 0;
  }

  /** Writes as many as fit; gives their number. */
  records(records: readonly ResourceRecord[]): number {
    for (const [index, record] of records.entries()) {
      const start = this.#offset;
      this.#record(record);
      if (this.#offset <= this.#sizeBytesMax) continue;
      this.#offset = start;
      for (const [name, offset] of this.#names) if (offset >= start) this.#names.delete(name);
      return index;
    }
    return records.length;
  }

  opt(udpSizeBytes: number, dnssecOk: boolean, extendedCode: number): void {
    this.#bytes[this.#offset++] = 0;
    this.uint16(RecordType.OPT);
    this.uint16(udpSizeBytes);
    this.#bytes[this.#offset++] = extendedCode;
    this.#bytes[this.#offset++] = 0;
    this.uint16(dnssecOk ? 0x8000 : 0);
    this.uint16(0);
  }

  finish(id: number, flags: number, counts: readonly number[]): Buffer {
    this.#bytes.writeUInt16BE(id, 0);
    this.#bytes.writeUInt16BE(flags, 2);
    for (const [index, count] of counts.entries()) this.#bytes.writeUInt16BE(count, 4 + index * 2);
    return Buffer.from(this.#bytes.subarray(0, this.#offset));
  }

  #record(record: ResourceRecord): void {
    this.name(record.name);
    this.uint16(record.type);
    this.uint16(internetClass);
    this.#uint32(record.ttlSeconds);
    const lengthOffset = this.#offset;
    this.#offset += 2;
    this.#data(record);
    this.#bytes.writeUInt16BE(this.#offset - lengthOffset - 2, lengthOffset);
  }

  #data(record: ResourceRecord): void {
    switch (record.type) {
      case RecordType.A:
        for (const byte of record.address.split('.')) this.#bytes[this.#offset++] = Number(byte);
        break;
      case RecordType.AAAA:
        for (const group of ipv6Groups(record.address)) this.uint16(group);
        break;
      case RecordType.SRV:
        this.uint16(record.priority);
        this.uint16(record.weight);
        this.uint16(record.port);
        this.#plainName(record.target);
        break;
      case RecordType.TXT:
        this.#bytes[this.#offset] = record.text.length;
        this.#offset += 1 + this.#bytes.write(record.text, this.#offset + 1, 'latin1');
        break;
      case RecordType.SOA:
        this.name(record.primary);
        this.name(record.mailbox);
        this.#uint32(record.serial);
        this.#uint32(soaTimersSeconds.refresh);
        this.#uint32(soaTimersSeconds.retry);
        this.#uint32(soaTimersSeconds.expire);
        this.#uint32(record.minimumSeconds);
        break;
      default:
        this.name(record.target);
    }
  }

  /** Without compression, which RFC 2782 forbids in the data of SRV records. */
  #plainName(name: string): void {
    for (const label of name.split('.')) {
      this.#bytes[this.#offset] = label.length;
      this.#offset += 1 + this.#bytes.write(label, this.#offset + 1, 'latin1');
    }
    this.#bytes[this.#offset++] = 0;
  }

  #uint32(value: number): void {
    this.#offset = this.#bytes.writeUInt32BE(value >>> 0, this.#offset);
  }
}

function ipv6Groups(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const parse = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const first = parse(head);
  if (tail === undefined) return first;
  const last = parse(tail);
  return [...first, ...new Array(8 - first.length - last.length).fill(0), ...last];
}

function formatIPv6(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}
