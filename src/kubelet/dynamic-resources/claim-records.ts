/**
 * Which claims are or may be prepared on this node, for which pods, and what their drivers returned. Written to disk
 * before a driver is called: whatever happens to the kubelet, nothing that a driver has prepared is forgotten.
 */
import type { Logger } from '../../base/logger.ts';
import { JsonFile } from '../../base/system/json-file.ts';
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

type Saved = Omit<ClaimRecord, 'isPrepared'>;

export const claimKey = ({ namespace, name }: Pick<ClaimRecord, 'namespace' | 'name'>) =>
  `${namespace}/${name}`;

export class ClaimRecords {
  readonly #file: JsonFile<Saved[]>;
  readonly #logger: Logger;
  readonly #records = new Map<string, ClaimRecord>();

  constructor(file: string, logger: Logger) {
    this.#file = new JsonFile(file);
    this.#logger = logger;
  }

  /** An unreadable file must not keep the node from starting: claims are prepared again when a container needs them. */
  async load(): Promise<void> {
    try {
      for (const record of (await this.#file.read()) ?? [])
        this.#records.set(claimKey(record), { ...record, isPrepared: false });
    } catch (error) {
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

  /** @throws Error */
  save(): Promise<void> {
    return this.#file.write(() => [...this.#records.values()].map(({ isPrepared, ...record }) => record));
  }
}
