/**
 * The second pass of a request through the mutating plugins, after webhooks or policies have changed its object:
 * built-in plugins all see it again, webhooks and policies only if they ask for that.
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

/** The plugin's webhooks or policies that asked to be called again, by their keys. */
class AskedAgain {
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

  /** Whether this one is to be called: all are in the first pass, and only those that are due in the second. */
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
