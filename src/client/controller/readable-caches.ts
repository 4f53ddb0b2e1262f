/** The caches that the reconciles of a controller read. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import type { Informer, InformerFactory } from '../informers/informer.ts';

export class ReadableCaches {
  readonly #informers: InformerFactory;
  /** By `group/plural`. */
  readonly #opened = new Map<string, Informer<KubeObject>>();
  readonly #followed = new Set<Informer<KubeObject>>();

  constructor(informers: InformerFactory) {
    this.#informers = informers;
  }

  open(type: ResourceType): Informer<KubeObject> {
    const informer = this.#informers.of(type);
    this.#opened.set(nameOf(type), informer);
    return informer;
  }

  /** Opens one whose events lead back to the reconciled object. */
  follow(type: ResourceType): Informer<KubeObject> {
    const informer = this.open(type);
    this.#followed.add(informer);
    return informer;
  }

  of(type: ResourceType): Informer<KubeObject> | undefined {
    return this.#opened.get(nameOf(type));
  }

  /** Undefined, too, for one that is only read. */
  following(type: ResourceType): Informer<KubeObject> | undefined {
    const informer = this.of(type);
    return informer && this.#followed.has(informer) ? informer : undefined;
  }
}

function nameOf({ group, plural }: ResourceType): string {
  return `${group}/${plural}`;
}
