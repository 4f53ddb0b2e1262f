/**
 * A request's second way through the mutating plugins, after what users configure has changed its object: built-in plugins
 * all see it again, webhooks and policies as far as they ask for that.
 */
import type { KubeObject } from '../../api/meta.ts';
import { equalJson } from '../../api/schema/json-value.ts';

export class Reinvocation {
  /** Set when the object was changed: webhooks called before have not seen the change. */
  isWanted = false;
  /** True on the second way. */
  isAgain = false;
  readonly #plugins = new Map<string, AskedAgain>();

  of(plugin: string): AskedAgain {
    let asked = this.#plugins.get(plugin);
    if (!asked) {
      asked = new AskedAgain(this);
      this.#plugins.set(plugin, asked);
    }
    return asked;
  }
}

/** Those of one plugin's webhooks or policies that asked to be called again, by a key of theirs. */
export class AskedAgain {
  readonly #request: Reinvocation;
  /** Called, and not yet due. */
  #called = new Set<string>();
  readonly #due = new Set<string>();
  /** What the plugin left behind the first time. */
  #output: KubeObject | undefined;

  constructor(request: Reinvocation) {
    this.#request = request;
  }

  begin(object: KubeObject | undefined): void {
    if (this.#request.isAgain && !equalJson(this.#output, object)) this.#allAreDue();
  }

  /** Whether it is this one's turn: everybody's at first, and then only of those that are due. */
  isTurnOf(key: string): boolean {
    return !this.#request.isAgain || this.#due.has(key);
  }

  /** The object is another now. */
  changed(): void {
    this.#allAreDue();
    this.#request.isWanted = true;
  }

  /** It was called, and is to be called again when another webhook changes the object. */
  add(key: string): void {
    this.#called.add(key);
  }

  end(object: KubeObject | undefined): void {
    this.#output = object && structuredClone(object);
  }

  #allAreDue(): void {
    for (const key of this.#called) this.#due.add(key);
    this.#called = new Set();
  }
}
