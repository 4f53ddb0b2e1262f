/**
 * Which claims are, or may be, made ready on this node, for which pods, and what their drivers gave for them. On disk
 * before a driver is asked: whatever happens to the kubelet, nothing that a driver has made ready is forgotten.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '../../base/logger.ts';
import type { PreparedDevice } from './driver-messages.ts';

export interface ClaimRecord {
  namespace: string;
  name: string;
  uid: string;
  podUids: string[];
  /** By driver; one that gave nothing has an empty list. */
  devices: Record<string, PreparedDevice[]>;
  /** All of its drivers have said so to this kubelet: after a restart they are asked once more. */
  isPrepared: boolean;
}

export const claimKey = ({ namespace, name }: Pick<ClaimRecord, 'namespace' | 'name'>) =>
  `${namespace}/${name}`;

export class ClaimRecords {
  readonly #file: string;
  readonly #logger: Logger;
  readonly #records = new Map<string, ClaimRecord>();
  #saving: Promise<void> = Promise.resolve();

  constructor(file: string, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  /** What cannot be read must not keep the node from starting: claims are made ready anew when a container asks for them. */
  async load(): Promise<void> {
    try {
      const records = JSON.parse(await readFile(this.#file, 'utf8')) as Omit<ClaimRecord, 'isPrepared'>[];
      for (const record of records) this.#records.set(claimKey(record), { ...record, isPrepared: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#logger.warn('the claims of this node cannot be read and are forgotten', { error });
    }
  }

  /** `key`: `namespace/name` */
  get(key: string): ClaimRecord | undefined {
    return this.#records.get(key);
  }

  all(): Iterable<ClaimRecord> {
    return this.#records.values();
  }

  holds(podUid: string): boolean {
    return [...this.#records.values()].some(({ podUids }) => podUids.includes(podUid));
  }

  set(record: ClaimRecord): void {
    this.#records.set(claimKey(record), record);
  }

  delete(key: string): void {
    this.#records.delete(key);
  }

  /** One after the other: they share a temporary file. @throws Error */
  save(): Promise<void> {
    const write = async () => {
      const saved = [...this.#records.values()].map(({ isPrepared, ...record }) => record);
      await mkdir(dirname(this.#file), { recursive: true });
      await writeFile(`${this.#file}.tmp`, JSON.stringify(saved));
      await rename(`${this.#file}.tmp`, this.#file);
    };
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }
}
