/** Which images are on how many nodes. */
import type { Node } from '../../api/resources.gen.ts';
import type { ContainerImage } from '../../api/types/core-v1.gen.ts';

interface ImageEntry {
  sizeBytes: number;
  nodes: Set<string>;
}

export class ImageIndex {
  readonly #images = new Map<string, ImageEntry>();
  readonly #ofNode = new Map<string, { source: ContainerImage[] | undefined; names: string[] }>();

  get(name: string): { sizeBytes: number; nodes: number } | undefined {
    const entry = this.#images.get(name);
    return entry && { sizeBytes: entry.sizeBytes, nodes: entry.nodes.size };
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const images = node.status?.images;
    const known = this.#ofNode.get(name);
    if (known && (known.source === images || JSON.stringify(known.source) === JSON.stringify(images))) return;
    this.removeNode(name);
    const names: string[] = [];
    for (const image of images ?? [])
      for (const imageName of image.names ?? []) {
        const entry = this.#images.get(imageName) ?? { sizeBytes: 0, nodes: new Set() };
        entry.sizeBytes = image.sizeBytes ?? 0;
        entry.nodes.add(name);
        this.#images.set(imageName, entry);
        names.push(imageName);
      }
    this.#ofNode.set(name, { source: images, names });
  }

  removeNode(name: string): void {
    for (const imageName of this.#ofNode.get(name)?.names ?? []) {
      const entry = this.#images.get(imageName);
      entry?.nodes.delete(name);
      if (entry?.nodes.size === 0) this.#images.delete(imageName);
    }
    this.#ofNode.delete(name);
  }
}
