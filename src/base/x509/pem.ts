/** PEM as Go reads it: blocks that are whole, between whatever other text there is. */

export interface PemBlock {
  type: string;
  /** Whether there are lines `Key: value` before the content. */
  hasHeaders: boolean;
  /** What the content encodes in Base64. */
  bytes: Uint8Array;
}

const begin = '-----BEGIN ';
const end = '\n-----END ';
const dashes = '-----';

export function firstPemBlock(text: string): PemBlock | undefined {
  const [first] = pemBlocks(text);
  return first;
}

/** Each part of the text is looked at once or twice, however many beginnings and ends it has. */
export function* pemBlocks(text: string): Generator<PemBlock, void> {
  for (let from = 0; ; ) {
    const endAt = text.indexOf(end, from);
    if (endAt < 0) return;
    // Of several beginnings, the last one is meant.
    const beginAt = text.slice(from, endAt).lastIndexOf(begin) + from;
    const isBegun = text.startsWith(begin, beginAt) && (beginAt === from || text[beginAt - 1] === '\n');
    const block = isBegun ? blockBetween(text, { beginAt, endAt }) : undefined;
    if (block) yield block;
    // All of its last line belongs to a block.
    from = block ? lineAt(text, endAt + end.length).next : endAt + end.length;
  }
}

function blockBetween(
  text: string,
  { beginAt, endAt }: { beginAt: number; endAt: number },
): PemBlock | undefined {
  const first = lineAt(text, beginAt + begin.length);
  if (!first.line.endsWith(dashes)) return undefined;
  const type = first.line.slice(0, -dashes.length);
  let at = first.next;
  let hasHeaders = false;
  for (;;) {
    if (at >= text.length) return undefined;
    const { line, next } = lineAt(text, at);
    if (!line.includes(':')) break;
    if (next > endAt) return undefined;
    hasHeaders = true;
    at = next;
  }
  const last = lineAt(text, endAt + end.length).line;
  if (last !== type + dashes) return undefined;
  const bytes = decodeBase64(text.slice(at, Math.max(at, endAt)));
  return bytes && { type, hasHeaders, bytes };
}

/** Without the blanks at its end. */
function lineAt(text: string, at: number): { line: string; next: number } {
  const found = text.indexOf('\n', at);
  const whole = text.slice(at, found < 0 ? undefined : found);
  const line = found > 0 && whole.endsWith('\r') ? whole.slice(0, -1) : whole;
  let length = line.length;
  while (length > 0 && ' \t'.includes(line[length - 1]!)) length--;
  return { line: line.slice(0, length), next: found < 0 ? text.length : found + 1 };
}

function decodeBase64(text: string): Uint8Array | undefined {
  const packed = text.replace(/[ \t\r\n]/g, '');
  if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) return undefined;
  return Buffer.from(packed, 'base64');
}
