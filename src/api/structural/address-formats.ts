/** Mail addresses and URIs, as Go's libraries read them. */

const atomCharacter = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\uffff-]";
const dotAtom = `${atomCharacter}+(?:\\.${atomCharacter}+)*`;
const quoted = '"(?:[^"\\\\\\n\\r]|\\\\.)*"';
const mailbox = `(?:${dotAtom}|${quoted})@(?:${dotAtom}|\\[[^\\]\\\\\\s]*\\])`;
const addressOnly = new RegExp(`^${mailbox}$`);
const inBrackets = new RegExp(`^<\\s*${mailbox}\\s*>$`);
const word = `(?:${quoted}|${atomCharacter}+)`;
const displayName = new RegExp(`^${word}(?:[\\s.]+${word})*\\.?$`);

/** `a@b`, or with a name: `A B <a@b>`. */
export function isEmailAddress(given: string): boolean {
  const text = given.trim();
  if (addressOnly.test(text)) return true;
  const at = text.lastIndexOf('<');
  if (at < 0 || !inBrackets.test(text.slice(at))) return false;
  const name = text.slice(0, at).trim();
  return name === '' || displayName.test(name);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a URI cannot hold
const control = /[\x00-\x1f\x7f]/;
const badEscape = /%(?![0-9A-Fa-f]{2})/;
const authority =
  /^(?:[^/]*@)?(?:\[[0-9A-Fa-f:.%A-Za-z-]+\]|[A-Za-z0-9\-_.~!$&'()*+,;=<>"\u0080-\uffff]*)(?::\d*)?$/;

/** An absolute URI, or an absolute path, as in the first line of a request. */
export function isRequestUri(text: string): boolean {
  if (text === '*') return true;
  if (text === '' || control.test(text) || text.startsWith(':')) return false;
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text) ?? [];
  const [rest = ''] = text.slice(scheme === undefined ? 0 : scheme.length + 1).split('?', 1);
  // What is behind the scheme may be anything that is no path.
  if (!rest.startsWith('/')) return scheme !== undefined;
  if (scheme === undefined || !rest.startsWith('//')) return !badEscape.test(rest);
  const [host = ''] = rest.slice(2).split('/', 1);
  return authority.test(host) && !badEscape.test(rest.slice(2 + host.length));
}
