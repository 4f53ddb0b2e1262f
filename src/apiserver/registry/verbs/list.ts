/** List: of the present state from the view, and from history where a page or an exact revision refers to the past. */
import { badRequest, expired, StatusError } from '../../../api/status.ts';
import { startTimeSlices } from '../../../base/async/time-slices.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import type { ResourceCache } from '../../watch-cache/resource-cache.ts';
import { lookedAtAtOnceMax, selectedObjects } from '../../watch-cache/selected-objects.ts';
import { prepareViews } from '../conversion/conversion.ts';
import { converting } from '../conversion/version-converter.ts';
import { cacheOf, type Registry } from '../registry.ts';
import { completed } from '../selection.ts';
import { decodeContinue, encodeContinue, inconsistentRevision } from './continue-token.ts';
import { listAt } from './list-history.ts';
import { checkListOptions, type ListOutcome, type ListRequest } from './list-request.ts';
import { revisionProblem, waitUntilFresh } from './read-revision.ts';

export async function listObjects(registry: Registry, asked: ListRequest): Promise<ListOutcome> {
  checkListOptions(asked);
  // A client that accepts any state gets a complete one, as from upstream's watch cache.
  const wantsAny = asked.resourceVersion === '0' && !asked.continueToken;
  const request = wantsAny ? { ...asked, limit: 0 } : asked;
  if (!request.selection.late) return listSelected(registry, request);
  const { resource, selection } = request;
  if (!registry.view.isCurrent) await registry.view.caughtUp();
  await prepareViews(resource, await selectedObjects(cacheOf(resource), selection));
  const list = { ...request, selection: completed(selection) };
  return await converting(() => listSelected(registry, list));
}

async function listSelected(registry: Registry, request: ListRequest): Promise<ListOutcome> {
  const cache = cacheOf(request.resource);
  const { view } = registry;
  if (request.continueToken) return continueList(registry, request);
  const { resourceVersion } = request;
  const problem = revisionProblem(resourceVersion);
  if (problem) throw badRequest(`invalid resource version: ${problem}`);
  const wanted = Number(resourceVersion);
  const isExact =
    request.resourceVersionMatch === 'Exact' ||
    (request.limit > 0 && wanted > 0 && !request.resourceVersionMatch);
  if (isExact) {
    // An exact state in the future is not waited for.
    return wanted <= view.revision && isPresent(registry, cache, wanted)
      ? page(cache, request, undefined, wanted)
      : listAt(registry, request, wanted, undefined);
  }
  if (resourceVersion === '') {
    if (!view.isCurrent) await view.caughtUp();
  } else if (wanted > 0) await waitUntilFresh(registry, resourceVersion);
  return await page(cache, request, undefined, view.revision);
}

/** A page of the present state, behind the key `after`. */
async function page(
  cache: ResourceCache,
  { selection, limit }: ListRequest,
  after: string | undefined,
  revision: number,
): Promise<ListOutcome> {
  const { matches, keyPrefix } = selection;
  if (!matches && limit === 0) {
    const isLong = cache.size > lookedAtAtOnceMax;
    const items = isLong ? await cache.allInSlices(keyPrefix, after) : cache.all(keyPrefix, after);
    cache.counts.list(items.length, items.length);
    return { items, revision };
  }
  const items: CachedObject[] = [];
  let more = false;
  let fetched = 0;
  // A list over several turns must show the state of the first.
  const isLong = matches !== undefined && cache.size > lookedAtAtOnceMax;
  const found = isLong ? await cache.allInSlices(keyPrefix, after) : cache.range(keyPrefix, after);
  const slices = startTimeSlices();
  for (const object of found) {
    const pause = isLong ? slices.yieldIfDue() : undefined;
    if (pause) await pause;
    fetched++;
    if (matches && !matches(object)) continue;
    if (limit > 0 && items.length === limit) {
      more = true;
      break;
    }
    items.push(object);
  }
  cache.counts.list(fetched, items.length);
  if (!more) return { items, revision };
  const last = items.at(-1)!.key;
  const next = encodeContinue({ revision, start: last.slice(keyPrefix.length) });
  // With a selector upstream does not say how many are left.
  return { items, revision, continue: next, ...(!matches && { remaining: cache.count(keyPrefix, last) }) };
}

async function continueList(registry: Registry, request: ListRequest): Promise<ListOutcome> {
  const { selection } = request;
  const token = decodeContinue(request.continueToken);
  if (request.resourceVersion && request.resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  const after = selection.keyPrefix + token.start;
  const cache = cacheOf(request.resource);
  if (token.revision === inconsistentRevision) {
    if (!registry.view.isCurrent) await registry.view.caughtUp();
    return await page(cache, request, after, registry.view.revision);
  }
  if (isPresent(registry, cache, token.revision)) return await page(cache, request, after, token.revision);
  try {
    return await listAt(registry, request, token.revision, after);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 410) throw error;
    throw expiredContinue(token.start);
  }
}

/** For clients a revision expires with its history, even where the present state would still be the same. */
function isPresent({ store }: Registry, cache: ResourceCache, revision: number): boolean {
  return revision >= store.compacted && cache.unchangedSince(revision);
}

function expiredContinue(start: string): StatusError {
  const error = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
  );
  error.status.metadata = { continue: encodeContinue({ revision: inconsistentRevision, start }) };
  return error;
}
