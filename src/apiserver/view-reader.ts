/** {@link ObjectReader} over the view. */
import type { KubeObject, ResourceType } from '../api/meta.ts';
import type { ObjectReader } from './object-reader.ts';
import type { KindRegistry } from './registry/kind-registry.ts';
import type { ResourceCache } from './watch-cache/resource-cache.ts';

export function createViewReader(kinds: KindRegistry): ObjectReader {
  const caches = new Map<ResourceType, ResourceCache>();
  const cacheOf = (type: ResourceType): ResourceCache => {
    const known = caches.get(type);
    if (known) return known;
    const cache = kinds.findStored(type.group, type.plural)?.cache;
    if (!cache) throw new Error(`${type.plural} are not served`);
    caches.set(type, cache);
    return cache;
  };
  return {
    get: <T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string) =>
      cacheOf(type).get(type.namespaced ? `${namespace}/${name}` : name)?.object as T | undefined,
    *list<T extends KubeObject>(type: ResourceType<T>, namespace?: string) {
      const prefix = namespace && type.namespaced ? `${namespace}/` : '';
      for (const found of cacheOf(type).range(prefix)) yield found.object as T;
    },
    changesOf: (type) => cacheOf(type).changes,
  };
}
