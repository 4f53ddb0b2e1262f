/** Reads names and resource records of DNS messages (RFC 1035, section 4.1). */
import { RecordType, type ResourceRecord } from './resource-record.ts';

export const headerBytes = 12;
const nameBytesMax = 255;
const labelBytesMax = 63;

export interface ReadRecord {
  type: number;
  ttlOffset: number;
  end: number;
  /** Undefined for types that are not interpreted here. */
  value: ResourceRecord | undefined;
}

/** Undefined when there is no complete record at `offset`. */
export function readRecord(bytes: Buffer, offset: number): ReadRecord | undefined {
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

/** Follows compression; pointers only ever lead backwards, so that no message can make this loop for long. */
export function readName(bytes: Buffer, start: number): { name: string; end: number } | undefined {
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
    // A dot within a label could not be told from one between labels; names of clusters and hosts have none.
    if (label.includes('.')) return undefined;
    labels.push(label);
    length += size + 1;
    if (length > nameBytesMax) return undefined;
    offset += size + 1;
  }
}

function formatIPv6(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}
