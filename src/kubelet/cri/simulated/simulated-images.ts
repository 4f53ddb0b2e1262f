/** The images that a simulated node has. */
import type { Image } from '../messages.ts';

const imageSizeBytes = 1_000_000;
/** Nobody knows whom the image really names: with this one pods that must not run as root are tried out, too. */
const imageUser = 65_532;

export class SimulatedImages {
  readonly #byName = new Map<string, Image>();

  /** Returns the id. */
  add(name: string, id: string): string {
    this.#byName.set(name, {
      id,
      repoTags: [name],
      repoDigests: [`${name.replace(/:[^:/]*$/, '')}@${id}`],
      size: imageSizeBytes,
      uid: { value: imageUser },
      username: '',
      pinned: false,
    });
    return id;
  }

  /** By name or id, as in all methods below. */
  find(image: string): Image | undefined {
    return this.#byName.get(image) ?? this.list().find(({ id }) => id === image);
  }

  remove(image: string): void {
    for (const [name, { id }] of this.#byName) if (name === image || id === image) this.#byName.delete(name);
  }

  list(): Image[] {
    return [...this.#byName.values()];
  }
}
