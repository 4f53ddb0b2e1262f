/** An {@link ObjectReader} over a handful of objects, for tests. */
import type { Draft, KubeObject, ResourceType } from '../api/meta.ts';
import type { ObjectReader } from './object-reader.ts';

export class FakeObjects implements ObjectReader {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  #changes = 0;

  put<T extends KubeObject>(type: ResourceType<T>, object: Draft<T>): this {
    const { namespace = '', name = '' } = object.metadata;
    const filled = {
      ...object,
      metadata: {
        uid: `uid-${name}`,
        resourceVersion: '1',
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...object.metadata,
      },
    };
    this.#ofType(type).set(`${namespace}/${name}`, filled as KubeObject);
    this.#changes++;
    return this;
  }

  remove(type: ResourceType, namespace: string, name: string): void {
    this.#ofType(type).delete(`${namespace}/${name}`);
    this.#changes++;
  }

  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined {
    return this.#ofType(type).get(`${namespace}/${name}`) as T | undefined;
  }

  list<T extends KubeObject>(type: ResourceType<T>, namespace?: string): Iterable<T> {
    const all = [...this.#ofType(type).values()] as T[];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  changesOf(): number {
    return this.#changes;
  }

  #ofType({ group, plural }: ResourceType): Map<string, KubeObject> {
    const key = `${group}/${plural}`;
    const known = this.#objects.get(key) ?? new Map<string, KubeObject>();
    this.#objects.set(key, known);
    return known;
  }
}
