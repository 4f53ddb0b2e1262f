/** Links of proxied pages: those that are absolute on the backend must lead through the proxy again. */
import { internalError } from '../../../api/status.ts';

/** Attributes that hold links, by element (upstream's list). */
const linkAttributes: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

/** How elements end whose content is text, whatever it looks like. */
const textEnds: ReadonlyMap<string, RegExp> = new Map(
  'iframe noembed noframes noscript plaintext script style textarea title xmp'
    .split(' ')
    .map((name) => [name, new RegExp(`</${name}[\\s/>]`, 'gi')]),
);

/** Where links of a page are absolute, and what they are called there. */
export interface LinkBase {
  /** The part of the proxy's path before the target's own. */
  prefix: string;
  hosts: {
    /** Of the target. */
    backend: string;
    /** By which the client calls the API. */
    client: string;
  };
}

/** A redirect of the backend, as the proxy's client must follow it. @throws StatusError 500 */
export function rewriteLocation(location: string, base: LinkBase): string {
  const rewritten = rewriteLink(location, base);
  if (rewritten !== undefined) return rewritten;
  throw internalError(
    `error trying to parse Location header: parse ${JSON.stringify(location)}: invalid URL`,
  );
}

export function rewriteHtml(html: string, base: LinkBase): string {
  let result = '';
  let done = 0;
  for (const { element, start, end } of tagsOf(html)) {
    const names = linkAttributes[element];
    if (!names) continue;
    result += html.slice(done, start) + rewriteAttributes(html.slice(start, end), names, base);
    done = end;
  }
  return result + html.slice(done);
}

/** Start tags in their order, and where their attributes are. Each character is looked at a fixed number of times. */
function* tagsOf(html: string): Generator<{ element: string; start: number; end: number }> {
  const opening = /<([a-z][a-z0-9]*)(?=[\s/>])/iy;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at)) {
    opening.lastIndex = at;
    const element = opening.exec(html)?.[1]?.toLowerCase();
    if (element) {
      const start = opening.lastIndex;
      const end = endOfTag(html, start);
      if (end < 0) return;
      yield { element, start, end };
      at = html[end - 1] === '/' ? end : endOfText(html, end, element);
    } else if (html.startsWith('<!--', at)) at = html.indexOf('-->', at + 2);
    else at++;
    if (at < 0) return;
  }
}

/** Where the tag's `>` is, which values in quotes may have too; -1 when it has none. */
function endOfTag(html: string, start: number): number {
  const next = /=\s*(["'])|>/g;
  next.lastIndex = start;
  for (let match = next.exec(html); match; match = next.exec(html)) {
    const [, quote] = match;
    if (!quote) return match.index;
    const closing = html.indexOf(quote, next.lastIndex);
    if (closing < 0) return -1;
    next.lastIndex = closing + 1;
  }
  return -1;
}

/** Where to go on behind a tag: behind the text of such elements; -1 when that has no end. */
function endOfText(html: string, from: number, element: string): number {
  const end = textEnds.get(element);
  if (!end) return from;
  end.lastIndex = from;
  return end.exec(html)?.index ?? -1;
}

function rewriteAttributes(attributes: string, names: readonly string[], base: LinkBase): string {
  return attributes.replace(
    // A name begins at its first letter: a long one without a value is looked at once, not from each of its letters.
    /(?<![^\s/"'])([^\s"'<>/=]+)(?:(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+))?/g,
    (attribute, name: string, equals?: string, value?: string) => {
      if (equals === undefined || value === undefined || !names.includes(name.toLowerCase()))
        return attribute;
      const link = unescapeHtml(/^["']/.test(value) ? value.slice(1, -1) : value);
      const rewritten = rewriteLink(link, base) ?? link;
      return rewritten === link ? attribute : `${name}${equals}"${escapeHtml(rewritten)}"`;
    },
  );
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Those that links need; another one means nothing in a URL. */
function unescapeHtml(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-f]{1,6});/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return entities[name.toLowerCase()] ?? whole;
    const code = name[1]?.toLowerCase() === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function escapeHtml(text: string): string {
  return text.replace(
    /[&"<>]/g,
    (char) => `&${Object.keys(entities).find((name) => entities[name] === char)};`,
  );
}

/** Links to other hosts, and relative ones, are unchanged. Undefined for what is no URL. */
function rewriteLink(link: string, { prefix, hosts }: LinkBase): string | undefined {
  const parts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/is.exec(link);
  const [, scheme = '', host = '', escaped = '', query = '', fragment = ''] = parts ?? [];
  const path = unescapePath(escaped);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what no URL may have.
  if (path === undefined || /[\x00-\x1f\x7f]/.test(link) || /^\[[^\]]*$/.test(host)) return undefined;
  const isElsewhere = host !== '' && host !== hosts.backend && host !== hosts.client;
  if (isElsewhere || !path.startsWith('/'))
    return link.includes(' ') ? link.replace(escaped, escaped.replaceAll(' ', '%20')) : link;
  const start = host === hosts.client && host !== '' ? `${scheme ? `${scheme}:` : ''}//${host}` : '';
  const target = path.startsWith(prefix) ? path : joined(prefix, path);
  return `${start}${escapePath(target)}${query}${fragment}`;
}

/** One path below another, without `.` and `..`, and with single slashes. */
function joined(prefix: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${prefix}${path}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}${path.endsWith('/') ? '/' : ''}`;
}

function unescapePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // no URL has such an escape
  }
}

/** As Go writes paths: what is neither a letter, a digit nor one of a path's own characters is escaped. Pure. */
export function escapePath(path: string): string {
  return encodeURI(path.toWellFormed()).replace(
    /[!'()*?#]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
