/** String formats that a structural schema may name; unknown ones are not checked, as upstream. */
import { isIPv6 } from 'node:net';
import { isEmailAddress, isRequestUri } from './address-formats.ts';
import { isCreditCard, isIsbn10, isIsbn13 } from './check-digits.ts';

const goDuration =
  // The first number may have several units, where `ms` reads as `m` and `s`: listed as well, it would double the ways
  // to read every one of them, and a long row of them would take forever.
  /^[+-]?(?:0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|s|m|h)+(((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*))$/;

/** Units of durations in words: these, or what starts with the last of a row. */
const durationUnits = [
  ['ns', 'nano'],
  ['us', 'µs', 'micro'],
  ['ms', 'milli'],
  ['s', 'sec'],
  ['m', 'min'],
  ['h', 'hr', 'hour'],
  ['d', 'day'],
  ['w', 'wk', 'week'],
];

/** As Go writes them, or any text with a number and a unit in it: `2 days`. */
function isDuration(text: string): boolean {
  if (goDuration.test(text)) return true;
  for (const [, unit] of text.matchAll(/(?<!\d)\d+\s*([A-Za-zµ]+)/g)) {
    const name = unit!.toLowerCase();
    if (durationUnits.some((names) => names.includes(name) || name.startsWith(names.at(-1)!))) return true;
  }
  return false;
}

const symbol = '[a-zA-Z0-9\\p{S}\\p{L}]';
const hostLabel = `${symbol}(?:[a-zA-Z0-9\\p{S}\\p{L}-]{0,61}${symbol})?`;
/** One label, with a hyphen at its second place at most, or several of which the last has letters only. */
const hostname = new RegExp(`^(?:${symbol}-?${symbol}{0,62}|(?:${hostLabel}\\.)+[a-zA-Z\\p{L}]{2,63})$`, 'u');
const hostnameBytesMax = 255;
const labelBytesMax = 63;

function isHostname(text: string): boolean {
  if (Buffer.byteLength(text) > hostnameBytesMax || !hostname.test(text)) return false;
  return text.split('.').every((label) => Buffer.byteLength(label) <= labelBytesMax);
}

/** Leading zeros do no harm. */
function isLooseIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d+$/.test(part) && Number(part) <= 255);
}

function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^\d+$/.test(bits)) return false;
  if (isLooseIPv4(address)) return Number(bits) <= 32;
  return isPlainIPv6(address) && Number(bits) <= 128;
}

/** A day that there is. */
function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const midnight = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(text);
}

/** With any character before the fraction of a second, as upstream's pattern takes it. */
function isDateTime(text: string): boolean {
  const [date = '', time = '', ...rest] = text.toLowerCase().split('t');
  const [, hours, minutes, seconds] = /^(\d\d):(\d\d):(\d\d)(?:.\d+)?(?:z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  if (hours === undefined || rest.length > 0) return false;
  return isDate(date) && hours <= '23' && minutes! <= '59' && seconds! <= '59';
}

const shortName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** `version` and `variant`: the hexadecimal digits that stand for them. */
function uuid(version: string, variant: string): (text: string) => boolean {
  const parts = [
    '[0-9a-f]{8}',
    '[0-9a-f]{4}',
    `${version}[0-9a-f]{3}`,
    `${variant}[0-9a-f]{3}`,
    '[0-9a-f]{12}',
  ];
  const pattern = new RegExp(`^${parts.join('-?')}$`, 'i');
  return (text) => pattern.test(text);
}

const colour = '(?:0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])';
const rgbColour = new RegExp(`^rgb\\(\\s*${colour}\\s*,\\s*${colour}\\s*,\\s*${colour}\\s*\\)$`);
const mac =
  /^(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?:(?:\1[0-9a-f]{2}){2}|(?:\1[0-9a-f]{2}){14})?|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?:\.[0-9a-f]{4}|(?:\.[0-9a-f]{4}){7})?)$/i;

/** Names without their hyphens, which do not count. */
const checks = new Map<string, (text: string) => boolean>(
  Object.entries({
    bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
    byte: (text) =>
      /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/.test(text),
    cidr: isCidr,
    creditcard: isCreditCard,
    date: isDate,
    datetime: isDateTime,
    duration: isDuration,
    email: isEmailAddress,
    hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
    hostname: isHostname,
    ipv4: (text) => isLooseIPv4(text) || (text.includes('.') && isPlainIPv6(text)),
    ipv6: isPlainIPv6,
    isbn: (text) => isIsbn10(text) || isIsbn13(text),
    isbn10: isIsbn10,
    isbn13: isIsbn13,
    k8slongname: (text) => text.length <= 253 && text.split('.').every((part) => shortName.test(part)),
    k8sshortname: (text) => text.length <= 63 && shortName.test(text),
    mac: (text) => mac.test(text),
    rgbcolor: (text) => rgbColour.test(text),
    ssn: (text) => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
    uri: isRequestUri,
    uuid: uuid('[0-9a-f]', '[0-9a-f]'),
    uuid3: uuid('3', '[0-9a-f]'),
    uuid4: uuid('4', '[89ab]'),
    uuid5: uuid('5', '[89ab]'),
  }),
);

/** Passwords may be anything, and are known all the same. */
export function isKnownFormat(format: string): boolean {
  return format === 'password' || checks.has(format.replaceAll('-', ''));
}

export function matchesFormat(format: string, text: string): boolean {
  return checks.get(format.replaceAll('-', ''))?.(text) ?? true;
}
