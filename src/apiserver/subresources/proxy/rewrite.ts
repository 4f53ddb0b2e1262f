/** Links of proxied pages: those that are absolute on the backend must lead through the proxy again. */

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

/** A redirect of the backend, as the proxy's client must follow it. */
export function rewriteLocation(location: string, prefix: string, host: string): string {
  return rewriteLink(location, prefix, host);
}

export function rewriteHtml(html: string, prefix: string, host: string): string {
  return html.replace(/<([a-zA-Z]+)(\s[^<>]*)>/g, (whole, element: string, attributes: string) => {
    const names = linkAttributes[element.toLowerCase()];
    if (!names) return whole;
    const rewritten = attributes.replace(
      // A name begins at its first letter: a long one without a value is looked at once, not from each of its letters.
      /(?<![a-zA-Z-])([a-zA-Z-]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g,
      (attribute, name: string, equals: string, value: string) => {
        if (!names.includes(name.toLowerCase())) return attribute;
        return `${name}${equals}"${rewriteLink(unquoted(value), prefix, host)}"`;
      },
    );
    return `<${element}${rewritten}>`;
  });
}

function unquoted(value: string): string {
  return /^["']/.test(value) ? value.slice(1, -1) : value;
}

/** Links to other hosts, and relative ones, are unchanged. */
function rewriteLink(link: string, prefix: string, host: string): string {
  if (link.startsWith('//')) return link;
  if (link.startsWith('/')) return link.startsWith(`${prefix}/`) ? link : prefix + link;
  const match = /^https?:\/\/([^/]+)(\/.*)?$/.exec(link);
  if (match?.[1] !== host) return link;
  return prefix + (match[2] ?? '/');
}
