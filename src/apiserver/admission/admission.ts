/** The admission chain: small plugins in a fixed order, that may change a request, refuse it, or reserve something. */
import type { GroupVersionKind, KubeObject } from '../../api/meta.ts';
import type { WriteRequest } from '../registry/registry.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One request as plugins see it. Objects are of the stored version. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly request: WriteRequest;
  /** What will be stored; a mutating plugin may change it or put another in its place. Undefined on DELETE. */
  object: KubeObject | undefined;
  /** Of {@link object} when it is no object of the resource: the options of a CONNECT. */
  readonly objectKind?: GroupVersionKind;
  /** What stands there now, shared and frozen; undefined on CREATE. */
  readonly old: KubeObject | undefined;
  /** Empty when the server will generate it. */
  readonly name: string;
  /** Options of a DELETE or CONNECT, and of the others as webhooks see them. */
  readonly options?: Record<string, unknown>;
}

export interface AdmissionPlugin {
  readonly name: string;
  /** Whether it is asked about connections into pods and nodes as well. */
  readonly handlesConnect?: boolean;
  /** Changes `attributes.object`, or throws a StatusError. */
  mutate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Throws a StatusError when the request must not be. The object no longer changes. */
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Takes something that must not be taken twice, right before the write; the result gives it back. */
  reserve?(attributes: AdmissionAttributes): Promise<(() => Promise<void>) | undefined>;
}

export class AdmissionChain {
  readonly #plugins: AdmissionPlugin[] = [];

  /** Appends a plugin, or puts it before the one named. */
  add(plugin: AdmissionPlugin, before?: string): void {
    const at = before === undefined ? -1 : this.#plugins.findIndex((other) => other.name === before);
    if (at < 0) this.#plugins.push(plugin);
    else this.#plugins.splice(at, 0, plugin);
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      const waiting = plugin.mutate?.(attributes);
      if (waiting) await waiting;
    }
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      const waiting = plugin.validate?.(attributes);
      if (waiting) await waiting;
    }
  }

  /** A connection has nothing to store: the plugins that are about connections let it pass, or throw. */
  async connect(attributes: AdmissionAttributes): Promise<void> {
    const concerned = this.#plugins.filter(({ handlesConnect }) => handlesConnect);
    for (const plugin of concerned) await plugin.mutate?.(attributes);
    for (const plugin of concerned) await plugin.validate?.(attributes);
  }

  /** Gives what undoes all reservations. */
  async reserve(attributes: AdmissionAttributes): Promise<() => Promise<void>> {
    const undos: (() => Promise<void>)[] = [];
    const undo = async () => {
      for (const step of undos.reverse()) await step();
    };
    try {
      for (const plugin of this.#plugins) {
        if (!plugin.reserve) continue;
        const step = await plugin.reserve(attributes);
        if (step) undos.push(step);
      }
    } catch (error) {
      await undo();
      throw error;
    }
    return undo;
  }
}
