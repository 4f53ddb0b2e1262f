/** The admission chain: small plugins in a fixed order, that may change a request, refuse it, or reserve something. */
import type { GroupVersionKind, KubeObject } from '../../api/meta.ts';
import type { WriteRequest } from '../registry/registry.ts';
import type { Reinvocation } from './reinvocation.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One request as plugins see it. Objects are of the stored version. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly request: WriteRequest;
  /** What will be stored; a mutating plugin may change or replace it. Undefined on DELETE. */
  object: KubeObject | undefined;
  /**
   * The type of {@link object} and {@link old} when they are not objects of the resource, but the body of its
   * subresource: options of a CONNECT, a Scale, an Eviction …
   */
  readonly objectKind?: GroupVersionKind;
  /** The present object, shared and frozen; undefined on CREATE. */
  readonly old: KubeObject | undefined;
  /** Empty when the server will generate it. */
  readonly name: string;
  /** Options of a DELETE or CONNECT, and of the others as webhooks see them. */
  readonly options?: Record<string, unknown>;
  /** Of webhooks and policies; made by the first plugin of theirs. */
  reinvocation?: Reinvocation;
}

export interface AdmissionPlugin {
  readonly name: string;
  /** Whether it also handles objects of other kinds than the resource's. */
  readonly handlesAnyKind?: boolean;
  /** Changes `attributes.object`, or throws a StatusError. */
  mutate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Throws a StatusError when the request must not be. The object no longer changes. */
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
  /** False: {@link reserve} has nothing to take for such a request. */
  mayReserve?(attributes: AdmissionAttributes): boolean;
  /** Reserves, right before the write, something that must not be taken twice; the result releases it. */
  reserve?(attributes: AdmissionAttributes): Promise<(() => Promise<void>) | undefined>;
}

export interface PartAttributes<T extends KubeObject> extends AdmissionAttributes {
  object: T;
  readonly objectKind: GroupVersionKind;
}

export type AdmissionVerdict = 'admitted' | 'rejected';

/** Called with the duration of each admission. */
export interface AdmissionObserver {
  /** For one step of one request: call the result after each plugin, and at the end. */
  begin(
    step: 'admit' | 'validate',
    operation: Operation,
  ): { plugin(name: string, verdict: AdmissionVerdict): void; step(verdict: AdmissionVerdict): void };
}

type StepPlugins = Record<'admit' | 'validate', readonly AdmissionPlugin[]>;

function byStep(plugins: readonly AdmissionPlugin[]): StepPlugins {
  return {
    admit: plugins.filter(({ mutate }) => mutate),
    validate: plugins.filter(({ validate }) => validate),
  };
}

export class AdmissionChain {
  readonly #plugins: AdmissionPlugin[] = [];
  /** Those that have a say in a step. */
  #all: StepPlugins = { admit: [], validate: [] };
  #ofAnyKind: StepPlugins = { admit: [], validate: [] };
  readonly #observer: AdmissionObserver | undefined;

  constructor(observer?: AdmissionObserver) {
    this.#observer = observer;
  }

  /** Appends a plugin, or inserts it before the named one. */
  add(plugin: AdmissionPlugin, before?: string): void {
    const at = before === undefined ? -1 : this.#plugins.findIndex((other) => other.name === before);
    if (at < 0) this.#plugins.push(plugin);
    else this.#plugins.splice(at, 0, plugin);
    this.#all = byStep(this.#plugins);
    this.#ofAnyKind = byStep(this.#plugins.filter(({ handlesAnyKind }) => handlesAnyKind));
  }

  mutate(attributes: AdmissionAttributes): Promise<void> {
    return this.#run('admit', this.#all, attributes);
  }

  validate(attributes: AdmissionAttributes): Promise<void> {
    return this.#run('validate', this.#all, attributes);
  }

  /** For bodies of subresources that are not stored: only plugins that handle objects of any kind are called. */
  async admitPart<T extends KubeObject>(attributes: PartAttributes<T>): Promise<T> {
    await this.#run('admit', this.#ofAnyKind, attributes);
    await this.#run('validate', this.#ofAnyKind, attributes);
    return attributes.object;
  }

  async #run(
    step: 'admit' | 'validate',
    plugins: StepPlugins,
    attributes: AdmissionAttributes,
  ): Promise<void> {
    const { operation } = attributes;
    const end = this.#observer?.begin(step, operation);
    let asked = '';
    const askAll = async () => {
      for (const plugin of plugins[step]) {
        asked = plugin.name;
        const waiting = step === 'admit' ? plugin.mutate!(attributes) : plugin.validate!(attributes);
        if (waiting) await waiting;
        end?.plugin(asked, 'admitted');
      }
    };
    try {
      await askAll();
      const { reinvocation } = attributes;
      if (step === 'admit' && reinvocation?.isWanted) {
        reinvocation.isAgain = true;
        await askAll();
      }
      end?.step('admitted');
    } catch (error) {
      end?.plugin(asked, 'rejected');
      end?.step('rejected');
      throw error;
    }
  }

  mayReserve(attributes: AdmissionAttributes): boolean {
    return this.#plugins.some((plugin) => plugin.reserve && (plugin.mayReserve?.(attributes) ?? true));
  }

  /** Returns a function that undoes all reservations. */
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
