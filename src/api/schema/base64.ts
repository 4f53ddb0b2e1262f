/** Bytes as JSON carries them, in base64: read as Go reads it, with its words for where a text goes wrong. */

const whole = /^[A-Za-z0-9+/]*={0,2}$/;

/** The text as it is written for its bytes, or the position of the byte at which it goes wrong. */
export function canonicalBase64(text: string): string | number {
  const packed = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, '') : text;
  if (packed.length % 4 !== 0 || !whole.test(packed)) return faultIn(text);
  // Bits behind the last byte say nothing, and are not kept.
  return packed.endsWith('=') ? Buffer.from(packed, 'base64').toString('base64') : packed;
}

/** Counts as Go does: a text that ends too early is wrong where its last four characters begin. */
function faultIn(text: string): number {
  let inFour = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\n' || character === '\r') continue;
    if (/[A-Za-z0-9+/]/.test(character)) {
      inFour = (inFour + 1) % 4;
      continue;
    }
    if (character !== '=' || inFour < 2) return at;
    return faultInPadding(text, at, inFour);
  }
  return text.length - inFour;
}

function faultInPadding(text: string, first: number, inFour: number): number {
  let at = first + 1;
  const skipBreaks = () => {
    while (text[at] === '\n' || text[at] === '\r') at++;
  };
  if (inFour === 2) {
    skipBreaks();
    if (at === text.length) return text.length;
    if (text[at] !== '=') return at - 1;
    at++;
  }
  skipBreaks();
  return at;
}
