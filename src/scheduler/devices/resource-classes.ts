/** Which device class provides an extended resource, from the cache of classes. */
import { classesByResource } from '../../api/resource/extended-resources.ts';
import type { DeviceClass } from '../../api/resources.gen.ts';
import type { Informer } from '../../client/informers/informer.ts';

export class ResourceClasses {
  readonly #classes: Informer<DeviceClass>;
  /** Undefined: to be read again. */
  #known: ReadonlyMap<string, DeviceClass> | undefined;

  constructor(classes: Informer<DeviceClass>) {
    this.#classes = classes;
    const forget = () => {
      this.#known = undefined;
    };
    classes.handle({ added: forget, updated: forget, deleted: forget });
  }

  of(resource: string): DeviceClass | undefined {
    this.#known ??= classesByResource(this.#classes.list());
    return this.#known.get(resource);
  }
}
