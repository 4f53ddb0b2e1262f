/**
 * What a process remembers across its restarts, in a file of JSON. It is written as a whole: when the process is killed,
 * the file has its former content or the new one.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ifMissing } from './if-missing.ts';

export interface JsonFileOptions {
  /** Of the file, and of its folder if that is missing. */
  mode?: number;
  folderMode?: number;
}

export class JsonFile<Content> {
  readonly #path: string;
  readonly #options: JsonFileOptions;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, options: JsonFileOptions = {}) {
    this.#path = path;
    this.#options = options;
  }

  /** Undefined when it was never written. @throws Error when it cannot be read */
  async read(): Promise<Content | undefined> {
    const text = await readFile(this.#path, 'utf8').catch(ifMissing(undefined));
    return text === undefined ? undefined : (JSON.parse(text) as Content);
  }

  /** One write at a time, since they share a temporary file; each writes what `content` returns when its turn comes. */
  write(content: () => Content): Promise<void> {
    const write = () => this.#replace(JSON.stringify(content()));
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }

  async #replace(text: string): Promise<void> {
    const { mode, folderMode } = this.#options;
    const temporary = `${this.#path}.tmp`;
    await mkdir(dirname(this.#path), { recursive: true, mode: folderMode });
    await writeFile(temporary, text, { mode });
    await rename(temporary, this.#path);
  }
}
