/** A list as of a past revision, from the store's history. */
import { expired } from '../../../api/status.ts';
import { CompactedError, FutureRevisionError, type ListResult } from '../../../storage/store.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import { isSelected } from '../../watch-cache/selection.ts';
import { prepareViews } from '../conversion/conversion.ts';
import { cacheOf, type Registry } from '../registry.ts';
import { encodeContinue } from './continue-token.ts';
import type { ListOutcome, ListRequest } from './list-request.ts';
import { tooLargeRevision } from './read-revision.ts';

/** Entries that one step through the store's history reads. */
const historyPageEntries = 1_000;

/** The list as of a past revision, from the store. @throws StatusError 410, 504 when the store has no such revision (any more) */
export async function listAt(
  registry: Registry,
  request: ListRequest,
  revision: number,
  after: string | undefined,
): Promise<ListOutcome> {
  try {
    return await pageOfHistory(registry, request, revision, after);
  } catch (error) {
    if (error instanceof CompactedError)
      throw expired('The resourceVersion for the provided list is too old.');
    if (!(error instanceof FutureRevisionError)) throw error;
    const tooLarge = tooLargeRevision(request.resourceVersion || String(revision), error.current);
    // Of an exact revision upstream does not say when to ask again.
    delete tooLarge.status.details?.retryAfterSeconds;
    throw tooLarge;
  }
}

async function pageOfHistory(
  { store }: Registry,
  { resource, selection, limit }: ListRequest,
  revision: number,
  after: string | undefined,
): Promise<ListOutcome> {
  const cache = cacheOf(resource);
  const prefix = cache.prefix + selection.keyPrefix;
  const found: CachedObject[] = [];
  const isFull = () => limit > 0 && found.length >= limit;
  let start = after === undefined ? undefined : cache.prefix + after;
  let step: ListResult;
  do {
    step = await store.list(prefix, {
      revision,
      limit: limit > 0 && !selection.matches ? limit - found.length : historyPageEntries,
      ...(start !== undefined && { after: start }),
    });
    const objects = step.entries.map(({ key, modRevision, value }) =>
      cache.stored(key.slice(cache.prefix.length), modRevision, value),
    );
    if (selection.matches) await prepareViews(resource, objects);
    for (const object of objects) if (isSelected(selection, object)) found.push(object);
    start = step.entries.at(-1)?.key;
  } while (step.more && !isFull());
  const isCut = step.more || (limit > 0 && found.length > limit);
  if (!isCut) return { items: found, revision };
  const items = found.slice(0, limit);
  const next = encodeContinue({ revision, start: items.at(-1)!.key.slice(selection.keyPrefix.length) });
  const { remaining } = step;
  const isKnown = !selection.matches && remaining !== undefined;
  return { items, revision, continue: next, ...(isKnown && { remaining }) };
}
