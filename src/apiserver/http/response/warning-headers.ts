/** `Warning` headers: the server's remarks on a request, within the size that can be sent to a client. */

/** Characters of all warnings; beyond them each is cut to {@link cutCharsMax}. Upstream's figures. */
const totalCharsMax = 4 * 1024;
const cutCharsMax = 256;

/** Each text once; what a header cannot carry is left out. Of cut ones no more follow once they fill the total. */
export function warningHeaders(texts: Iterable<string>): string[] {
  const distinct = new Set(texts);
  distinct.delete('');
  const whole = upTo(distinct, totalCharsMax);
  const shown = whole.length === distinct.size ? whole : cutTexts(distinct, whole.length + 1);
  return shown.map((text) => `299 - ${quoted(text)}`);
}

/** Those that fit together. */
function upTo(texts: Iterable<string>, charsMax: number): string[] {
  const fitting: string[] = [];
  let chars = 0;
  for (const text of texts) {
    chars += [...text].length;
    if (chars > charsMax) break;
    fitting.push(text);
  }
  return fitting;
}

/** The first `always` of them, and of the others those that begin within the total. */
function cutTexts(texts: Iterable<string>, always: number): string[] {
  const cut: string[] = [];
  let chars = 0;
  for (const text of texts) {
    if (cut.length >= always && chars >= totalCharsMax) break;
    const start = [...text].slice(0, cutCharsMax);
    cut.push(start.join(''));
    chars += start.length;
  }
  return cut;
}

/** A quoted string as RFC 9110 has it, its bytes those of UTF-8: a header is written one byte for each character. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those must not get into a header
  const shown = text.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/[\\"]/g, '\\$&');
  return `"${Buffer.from(shown).toString('latin1')}"`;
}
