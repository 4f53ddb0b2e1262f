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
  /**
   * Of {@link object} and {@link old} when they are no objects of the resource, but what its subresource takes: options
   * of a CONNECT, a Scale, an Eviction …
   */
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
  /** Whether it is asked about objects of other kinds than the resource's, too. */
  readonly handlesAnyKind?: boolean;
  /** Changes `attributes.object`, or throws a StatusError. */
  mutate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Throws a StatusError when the request must not be. The object no longer changes. */
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Takes something that must not be taken twice, right before the write; the result gives it back. */
  reserve?(attributes: AdmissionAttributes): Promise<(() => Promise<void>) | undefined>;
}

export interface PartAttributes<T extends KubeObject> extends AdmissionAttributes {
  object: T;
  readonly objectKind: GroupVersionKind;
}

export class AdmissionChain {
  readonly #plugins: AdmissionPlugin[] = [];
  #ofAnyKind: readonly AdmissionPlugin[] = [];

  /** Appends a plugin, or puts it before the one named. */
  add(plugin: AdmissionPlugin, before?: string): void {
    const at = before === undefined ? -1 : this.#plugins.findIndex((other) => other.name === before);
    if (at < 0) this.#plugins.push(plugin);
    else this.#plugins.splice(at, 0, plugin);
    this.#ofAnyKind = this.#plugins.filter(({ handlesAnyKind }) => handlesAnyKind);
  }

  mutate(attributes: AdmissionAttributes): Promise<void> {
    return mutateBy(this.#plugins, attributes);
  }

  validate(attributes: AdmissionAttributes): Promise<void> {
    return validateBy(this.#plugins, attributes);
  }

  /** For what a subresource takes and nobody stores: only plugins that know objects of any kind are asked. */
  async admitPart<T extends KubeObject>(attributes: PartAttributes<T>): Promise<T> {
    await mutateBy(this.#ofAnyKind, attributes);
    await validateBy(this.#ofAnyKind, attributes);
    return attributes.object;
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

async function mutateBy(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
  for (const plugin of plugins) {
    const waiting = plugin.mutate?.(attributes);
    if (waiting) await waiting;
  }
}

async function validateBy(
  plugins: readonly AdmissionPlugin[],
  attributes: AdmissionAttributes,
): Promise<void> {
  for (const plugin of plugins) {
    const waiting = plugin.validate?.(attributes);
    if (waiting) await waiting;
  }
}
