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
  /** Where it may have a say; others do not concern it, and it is not counted for them. All of them when absent. */
  readonly operations?: readonly Operation[];
  /** Of what it may have a say, in the same sense; made by {@link writesOf}. */
  readonly resources?: readonly AdmittedResource[];
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

export interface AdmittedResource {
  readonly group: string;
  readonly plural: string;
  readonly subresource: string;
}

/** Objects of a type, or a subresource of theirs. */
export function writesOf(
  { group, plural }: Pick<AdmittedResource, 'group' | 'plural'>,
  subresource = '',
): AdmittedResource {
  return { group, plural, subresource };
}

export interface PartAttributes<T extends KubeObject> extends AdmissionAttributes {
  object: T;
  readonly objectKind: GroupVersionKind;
}

export type AdmissionVerdict = 'admitted' | 'rejected';

/** Called with the duration of each admission. */
export interface AdmissionObserver {
  begin(step: 'admit' | 'validate', operation: Operation): AdmissionTimer;
}

/** Of one step of one request. */
export interface AdmissionTimer {
  /** Called when a plugin has ended; the next begins then. */
  plugin(name: string, verdict: AdmissionVerdict): void;
  /** Called at the end. */
  step(verdict: AdmissionVerdict): void;
}

type Step = 'admit' | 'validate';

const called: Record<Step, 'mutate' | 'validate'> = { admit: 'mutate', validate: 'validate' };

/** Plugins by what they have a say in. Every write asks; who has nothing to say to its kind is sorted out once. */
class PluginChoice {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #known = new WeakMap<object, Map<string, readonly AdmissionPlugin[]>>();

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  for(step: Step, { operation, request }: AdmissionAttributes): readonly AdmissionPlugin[] {
    const { definition } = request.resource;
    let known = this.#known.get(definition);
    if (!known) {
      known = new Map();
      this.#known.set(definition, known);
    }
    const key = `${step} ${operation} ${request.subresource}`;
    let chosen = known.get(key);
    if (!chosen) {
      const written = writesOf(definition.type, request.subresource);
      chosen = this.#plugins.filter(
        (plugin) =>
          plugin[called[step]] &&
          (plugin.operations?.includes(operation) ?? true) &&
          hasSayIn(plugin, written),
      );
      known.set(key, chosen);
    }
    return chosen;
  }
}

function hasSayIn({ resources }: AdmissionPlugin, written: AdmittedResource): boolean {
  if (!resources) return true;
  return resources.some(
    ({ group, plural, subresource }) =>
      group === written.group && plural === written.plural && subresource === written.subresource,
  );
}

export class AdmissionChain {
  readonly #plugins: AdmissionPlugin[] = [];
  #all = new PluginChoice([]);
  #ofAnyKind = new PluginChoice([]);
  #reserving: readonly AdmissionPlugin[] = [];
  readonly #observer: AdmissionObserver | undefined;

  constructor(observer?: AdmissionObserver) {
    this.#observer = observer;
  }

  /** Appends a plugin, or inserts it before the named one. */
  add(plugin: AdmissionPlugin, before?: string): void {
    const at = before === undefined ? -1 : this.#plugins.findIndex((other) => other.name === before);
    if (at < 0) this.#plugins.push(plugin);
    else this.#plugins.splice(at, 0, plugin);
    this.#all = new PluginChoice([...this.#plugins]);
    this.#ofAnyKind = new PluginChoice(this.#plugins.filter(({ handlesAnyKind }) => handlesAnyKind));
    this.#reserving = this.#plugins.filter(({ reserve }) => reserve);
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

  async #run(step: Step, plugins: PluginChoice, attributes: AdmissionAttributes): Promise<void> {
    const { operation } = attributes;
    const timer = this.#observer?.begin(step, operation);
    const asked = plugins.for(step, attributes);
    let name = '';
    try {
      for (let isAgain = false; ; isAgain = true) {
        for (const plugin of asked) {
          name = plugin.name;
          const waiting = plugin[called[step]]!(attributes);
          if (waiting) await waiting;
          timer?.plugin(name, 'admitted');
        }
        const { reinvocation } = attributes;
        if (isAgain || step === 'validate' || !reinvocation?.isWanted) break;
        reinvocation.isAgain = true;
      }
      timer?.step('admitted');
    } catch (error) {
      timer?.plugin(name, 'rejected');
      timer?.step('rejected');
      throw error;
    }
  }

  mayReserve(attributes: AdmissionAttributes): boolean {
    return this.#reserving.some((plugin) => plugin.mayReserve?.(attributes) ?? true);
  }

  /** Returns a function that undoes all reservations. */
  async reserve(attributes: AdmissionAttributes): Promise<() => Promise<void>> {
    const undos: (() => Promise<void>)[] = [];
    const undo = async () => {
      for (const step of undos.reverse()) await step();
    };
    try {
      for (const plugin of this.#reserving) {
        const step = await plugin.reserve!(attributes);
        if (step) undos.push(step);
      }
    } catch (error) {
      await undo();
      throw error;
    }
    return undo;
  }
}
