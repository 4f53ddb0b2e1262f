/**
 * Kubernetes' functions on URLs. As Go reads them: what a URL says stays as it is, where a browser's `URL` leaves out
 * default ports, shortens paths, and takes no path alone.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { isRequestUri } from '../../structural/address-formats.ts';

/** A parsed URL; CEL code reads it by its methods only. */
class Url {
  readonly scheme: string;
  /** With the port. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
  /** As Go writes it again. */
  readonly text: string;

  constructor(text: string) {
    this.text = text.replace(/^[A-Za-z][A-Za-z0-9+.-]*:/, (found) => found.toLowerCase());
    if (!isRequestUri(text))
      throw new Error(
        `URL parse error during conversion from string: parse ${JSON.stringify(text)}: ${text === '' ? 'empty url' : 'invalid URI for request'}`,
      );
    const { scheme = '', rest = '', query = '' } = wholePattern.exec(text)?.groups ?? {};
    const hasAuthority = rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'));
    const { host = '', path = '' } = (hasAuthority ? hierarchyPattern : pathPattern).exec(rest)?.groups ?? {};
    this.scheme = scheme.toLowerCase();
    // Of the name of an IPv6 zone only the percent sign is escaped.
    this.host = host.replace('%25', '%');
    this.path = path;
    this.query = query;
  }
}

const wholePattern = /^(?:(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?<rest>[^?#]*)(?:\?(?<query>[^#]*))?/;
const hierarchyPattern = /^\/\/(?:[^/]*@)?(?<host>[^/@]*)(?<path>.*)$/s;
/** What is neither (`mailto:a@b`) has no path. */
const pathPattern = /^(?<path>\/.*|\*)$/s;

export function registerUrls(environment: Environment): void {
  environment
    .registerType('kubernetes.URL', Url)
    .registerFunction('url(string): kubernetes.URL', (text: string) => new Url(text))
    .registerOperator('kubernetes.URL == kubernetes.URL', (left: Url, right: Url) => left.text === right.text)
    .registerFunction('isURL(string): bool', isRequestUri)
    .registerFunction('kubernetes.URL.getScheme(): string', ({ scheme }: Url) => scheme)
    .registerFunction('kubernetes.URL.getHost(): string', ({ host }: Url) => host)
    .registerFunction('kubernetes.URL.getHostname(): string', ({ host }: Url) =>
      host.replace(portPattern, '').replace(/^\[(.*)\]$/, '$1'),
    )
    .registerFunction(
      'kubernetes.URL.getPort(): string',
      ({ host }: Url) => portPattern.exec(host)?.[1] ?? '',
    )
    .registerFunction('kubernetes.URL.getEscapedPath(): string', ({ path }: Url) => escaped(path))
    .registerFunction('kubernetes.URL.getQuery(): map', ({ query }: Url) => valuesIn(query));
}

const portPattern = /:(\d*)$/;

/** What may stand in a path as it is, escapes among it. */
const escapedPath = /^[A-Za-z0-9\-_.~!$&'()*+,;=:@/[\]%]*$/;
/** Where one character has to be escaped, Go escapes all but these. */
const plainByte = /^[A-Za-z0-9\-_.~$&+,/:;=@]$/;

function escaped(path: string): string {
  if (escapedPath.test(path)) return path;
  return path.replaceAll(/%(?<hex>[0-9A-Fa-f]{2})|[^%]/gu, (character, hex: string | undefined) =>
    [...(hex === undefined ? Buffer.from(character) : [Number.parseInt(hex, 16)])].map(escapedByte).join(''),
  );
}

function escapedByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (plainByte.test(character)) return character;
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

function valuesIn(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [key, value] of new URLSearchParams(query)) values.set(key, [...(values.get(key) ?? []), value]);
  return values;
}
