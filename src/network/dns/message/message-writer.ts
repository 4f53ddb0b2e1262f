/** Writes DNS messages: names with compression, resource records, and EDNS (RFC 1035, RFC 6891). */
import { headerBytes } from './message-reader.ts';
import { internetClass, RecordType, type ResourceRecord } from './resource-record.ts';

export const messageBytesMax = 65_535;
const soaTimersSeconds = { refresh: 7200, retry: 1800, expire: 86_400 };
/** An OPT record without options: name, type, size, code and flags, length. */
export const optRecordBytes = 11;

/** Messages are written here, one at a time; {@link MessageWriter.finish} copies the message out. */
const scratch = Buffer.alloc(messageBytesMax + 1024);

export class MessageWriter {
  readonly #sizeBytesMax: number;
  readonly #bytes = scratch;
  /** Where names were written, in lower case, to point back to. */
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

  /** Writes as many as fit; returns their number. */
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

  opt({ udpSizeBytes, dnssecOk }: { udpSizeBytes: number; dnssecOk: boolean }, extendedCode: number): void {
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
