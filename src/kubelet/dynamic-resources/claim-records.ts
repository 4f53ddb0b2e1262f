/**
 * Which claims are or may be prepared on this node, for which pods, and what their drivers returned. Written to disk
 * before a driver is called: whatever happens to the kubelet, nothing that a driver has prepared is forgotten.
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
  /** By driver; the list is empty for one that returned no devices. */
  devices: Record<string, PreparedDevice[]>;
  /** All of its drivers have prepared it for this kubelet process: after a restart they are asked again. */
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

  /** An unreadable file must not keep the node from starting: claims are prepared again when a container needs them. */
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

  /** One at a time: writes share a temporary file. @throws Error */
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
