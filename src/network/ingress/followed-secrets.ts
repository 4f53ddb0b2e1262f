/** The secrets that Ingresses name: each is followed by itself, and only as long as it is named. */
import { splitKey } from '../../api/meta.ts';
import { Secret } from '../../api/resources.gen.ts';
import { dnsLabelProblems, subdomainProblems } from '../../api/validation/names.ts';
import type { Informer, InformerFactory } from '../../client/informers/informer.ts';

interface Followed {
  informer: Informer<Secret>;
  stop: AbortController;
}

export class FollowedSecrets {
  readonly #informers: InformerFactory;
  readonly #changed: () => void;
  readonly #followed = new Map<string, Followed>();

  constructor(informers: InformerFactory, changed: () => void) {
    this.#informers = informers;
    this.#changed = changed;
  }

  /** By key; undefined also for one that is not followed. */
  get(key: string): Secret | undefined {
    return this.#followed.get(key)?.informer.get(key);
  }

  /** Resolves when exactly these are followed, and known. */
  async follow(keys: ReadonlySet<string>): Promise<void> {
    for (const [key, { stop }] of this.#followed) {
      if (keys.has(key)) continue;
      this.#followed.delete(key);
      stop.abort();
    }
    for (const key of keys) this.#start(key);
    await Promise.all([...this.#followed.values()].map(({ informer }) => informer.synced()));
  }

  #start(key: string): void {
    if (this.#followed.has(key)) return;
    const { namespace = '', name } = splitKey(key);
    // An annotation may contain anything; a request that the server refuses would be waited for forever.
    if (dnsLabelProblems(namespace).length + subdomainProblems(name).length > 0) return;
    const stop = new AbortController();
    const informer = this.#informers
      .until(stop.signal)
      .of(Secret, { namespace, fieldSelector: `metadata.name=${name}` });
    this.#followed.set(key, { informer, stop });
    const changed = () => {
      if (!stop.signal.aborted) this.#changed();
    };
    informer.handle({ added: changed, updated: changed, deleted: changed });
  }
}
