/** Writes to the store. Each is a compare-and-swap, and over only when the view shows its outcome. */
import { CachedObject } from '../watch-cache/cached-object.ts';
import type { ServedResource } from './kind-registry.ts';
import { cacheOf, type Registry } from './registry.ts';

/** Returns what the view shows: bytes and object are shared by all readers. Undefined when the key is taken. */
export async function storeNew(
  registry: Registry,
  resource: ServedResource,
  key: string,
  value: Uint8Array,
): Promise<CachedObject | undefined> {
  const { prefix } = cacheOf(resource);
  const result = await registry.store.create(prefix + key, value);
  return result.ok ? shownAs(registry, resource, { key, revision: result.revision, value }) : undefined;
}

/** Undefined when another writer was faster than the one who has seen `current`. */
export async function replaceStored(
  registry: Registry,
  resource: ServedResource,
  { key, revision }: CachedObject,
  value: Uint8Array,
): Promise<CachedObject | undefined> {
  const { prefix } = cacheOf(resource);
  const result = await registry.store.update(prefix + key, value, revision);
  if (result.ok) return shownAs(registry, resource, { key, revision: result.revision, value });
  await seeWinner(registry, result.current?.modRevision);
  return undefined;
}

/** False when another writer was faster than the one who has seen `current`. */
export async function removeStored(
  registry: Registry,
  resource: ServedResource,
  { key, revision }: CachedObject,
): Promise<boolean> {
  const { prefix } = cacheOf(resource);
  const result = await registry.store.delete(prefix + key, revision);
  if (result.ok) await seen(registry, result.revision);
  else await seeWinner(registry, result.current?.modRevision);
  return result.ok;
}

async function shownAs(
  registry: Registry,
  resource: ServedResource,
  { key, revision, value }: { key: string; revision: number; value: Uint8Array },
): Promise<CachedObject> {
  await seen(registry, revision);
  const shown = cacheOf(resource).get(key);
  return shown?.revision === revision ? shown : new CachedObject(key, revision, value);
}

/** `revision`: of the stored object; undefined when there is none. */
async function seeWinner(registry: Registry, revision: number | undefined): Promise<void> {
  await seen(registry, revision ?? (await registry.store.currentRevision()));
}

function seen({ view }: Registry, revision: number): Promise<void> {
  view.written(revision);
  return view.reached(revision);
}
