/** String formats that a structural schema may name; unknown ones are not checked, as upstream. */
import { isIPv4, isIPv6 } from 'node:net';

// The first number may have several units, where `ms` reads as `m` and `s`: listed as well, it would double the ways to
// read every one of them, and a long row of them would take forever.
const durationPattern =
  /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|s|m|h|d|w)+(((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))*)$/;
const hostnamePattern =
  /^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]))*$/;

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}

function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}

function isDateTime(text: string): boolean {
  const pattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
  return pattern.test(text) && !Number.isNaN(Date.parse(text.toUpperCase()));
}

function isUri(text: string): boolean {
  try {
    return new URL(text).protocol !== '';
  } catch {
    // Not a URI: the answer to the question.
    return false;
  }
}

const uuid = (version: string, variant: string) =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?${variant}[0-9a-f]{3}-?[0-9a-f]{12}$`, 'i');

const checks = new Map<string, (text: string) => boolean>(
  Object.entries({
    bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
    byte: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
    cidr: isCidr,
    date: isDate,
    'date-time': isDateTime,
    datetime: isDateTime,
    duration: (text) => durationPattern.test(text.replaceAll(' ', '')),
    email: (text) => /^[^@\s]+@[^@\s]+$/.test(text),
    hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
    hostname: (text) => text.length <= 255 && hostnamePattern.test(text),
    ipv4: isIPv4,
    ipv6: isIPv6,
    mac: (text) => /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.test(text),
    uri: isUri,
    uuid: (text) => uuid('[0-9a-f]', '[0-9a-f]').test(text),
    uuid3: (text) => uuid('3', '[0-9a-f]').test(text),
    uuid4: (text) => uuid('4', '[89ab]').test(text),
    uuid5: (text) => uuid('5', '[89ab]').test(text),
  }),
);

export function matchesFormat(format: string, text: string): boolean {
  return checks.get(format)?.(text) ?? true;
}
