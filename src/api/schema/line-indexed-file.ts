/** A JSON object with one entry per line, of which single entries can be parsed while the rest stays text. */
import { readFileSync } from 'node:fs';

export class LineIndexedFile {
  readonly #bytes: Buffer;
  readonly #lines = new Map<string, { start: number; end: number }>();

  /** `name`: of a file in `src/api/data/`. */
  constructor(name: string) {
    this.#bytes = readFileSync(new URL(`../data/${name}`, import.meta.url));
    let start = this.#bytes.indexOf(10) + 1;
    while (this.#bytes[start] === 0x22) {
      const end = this.#bytes.indexOf(10, start);
      const keyEnd = this.#bytes.indexOf(0x22, start + 1);
      const comma = this.#bytes[end - 1] === 0x2c ? 1 : 0;
      this.#lines.set(this.#bytes.toString('latin1', start + 1, keyEnd), {
        start: keyEnd + 2,
        end: end - comma,
      });
      start = end + 1;
    }
  }

  keys(): IterableIterator<string> {
    return this.#lines.keys();
  }

  has(key: string): boolean {
    return this.#lines.has(key);
  }

  read<T>(key: string): T | undefined {
    const line = this.#lines.get(key);
    return line && JSON.parse(this.#bytes.toString('utf8', line.start, line.end));
  }
}
