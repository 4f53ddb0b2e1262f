/** List: from the view, or from the store's history when a page or an exact revision refers to the past. */

import { type FieldError, forbiddenField, notSupportedInOrder } from '../../../api/field-error.ts';
import { badRequest, expired, invalid, StatusError } from '../../../api/status.ts';
import { startTimeSlices } from '../../../base/async/time-slices.ts';
import { CompactedError, FutureRevisionError, type ListResult } from '../../../storage/store.ts';
import type { RequestContext } from '../../request.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import type { ResourceCache } from '../../watch-cache/resource-cache.ts';
import { lookedAtAtOnceMax, selectedObjects } from '../../watch-cache/selected-objects.ts';
import { isSelected, type Selection } from '../../watch-cache/selection.ts';
import { prepareViews } from '../conversion/conversion.ts';
import { converting } from '../conversion/version-converter.ts';
import type { ServedResource } from '../kind-registry.ts';
import { cacheOf, type Registry } from '../registry.ts';
import { numberOf } from '../request-options.ts';
import { completed, selectionOf } from '../selection.ts';
import { decodeContinue, encodeContinue, inconsistentRevision } from './continue-token.ts';

export interface ListRequest {
  resource: ServedResource;
  selection: Selection;
  /** 0: everything. */
  limit: number;
  continueToken: string;
  /** As the client sent it; empty for the newest. */
  resourceVersion: string;
  resourceVersionMatch: string;
  /** Asked for what only a watch can do. */
  wantsInitialEvents?: boolean;
}

export interface ListOutcome {
  items: CachedObject[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** How long a list or a watch waits for a revision that the client has seen and this server has not. */
const freshTimeoutMs = 3_000;
/** Entries that one step through the store's history reads. */
const historyPageEntries = 1_000;

/** The parameters of a list or deletecollection in path and query. @throws StatusError 400 */
export function readListRequest({ info, request }: RequestContext, resource: ServedResource): ListRequest {
  const { query } = request;
  return {
    resource,
    selection: selectionOf(resource, {
      namespace: info.namespace,
      name: '',
      labelSelector: query.get('labelSelector') ?? '',
      fieldSelector: query.get('fieldSelector') ?? '',
    }),
    limit: numberOf(query, 'limit') ?? 0,
    continueToken: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    wantsInitialEvents: query.has('sendInitialEvents'),
  };
}

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
  if (
    request.resourceVersionMatch === 'Exact' ||
    (request.limit > 0 && wanted > 0 && !request.resourceVersionMatch)
  ) {
    // An exact state in the future is not waited for.
    return wanted <= view.revision && isPresent(registry, cache, wanted)
      ? page(cache, request, undefined, wanted)
      : listAt(registry, request, wanted, undefined);
  }
  if (resourceVersion === '') {
    if (!view.isCurrent) await view.caughtUp();
  } else if (wanted > 0) await freshAs(registry, resourceVersion);
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
    return { items, revision };
  }
  const items: CachedObject[] = [];
  let more = false;
  // A list over several turns must show the state of the first.
  const isLong = matches !== undefined && cache.size > lookedAtAtOnceMax;
  const found = isLong ? await cache.allInSlices(keyPrefix, after) : cache.range(keyPrefix, after);
  const slices = startTimeSlices();
  for (const object of found) {
    const pause = isLong ? slices.yieldIfDue() : undefined;
    if (pause) await pause;
    if (matches && !matches(object)) continue;
    if (limit > 0 && items.length === limit) {
      more = true;
      break;
    }
    items.push(object);
  }
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

/** The list as of a past revision, from the store. @throws StatusError 410, 504 when the store has no such revision (any more) */
async function listAt(
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

/** Waits until the view is at least at `revision`. @throws StatusError 504 as upstream when it does not get there */
export async function freshAs({ view }: Registry, resourceVersion: string): Promise<void> {
  const revision = Number(resourceVersion);
  if (view.revision >= revision) return;
  try {
    await view.reached(revision, { timeoutMs: freshTimeoutMs });
  } catch (error) {
    if (error instanceof DOMException) throw tooLargeRevision(resourceVersion, view.revision);
    throw error;
  }
}

function tooLargeRevision(wanted: string, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  const details = {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  };
  return new StatusError(504, 'Timeout', message, { details });
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

/** @throws StatusError 500, as upstream, unless it is a number */
export function parseReadRevision(text: string): number {
  const problem = revisionProblem(text);
  if (problem) throw new StatusError(500, '', problem);
  return Number(text);
}

const revisionMax = 2n ** 64n - 1n;
/** A number of this many digits is within range. */
const digitsMax = 19;

/** Undefined for what is empty or a number. */
function revisionProblem(text: string): string | undefined {
  const isNumber = /^\d*$/.test(text);
  if (isNumber && (text.length <= digitsMax || BigInt(text) <= revisionMax)) return undefined;
  const why = isNumber ? 'value out of range' : 'invalid syntax';
  return `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": ${why}`;
}

function checkListOptions(request: ListRequest): void {
  const { resourceVersion, resourceVersionMatch: match, continueToken } = request;
  const errors: FieldError[] = [];
  if (match) {
    if (!resourceVersion)
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden unless resourceVersion is provided',
        ),
      );
    if (continueToken)
      errors.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
      );
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupportedInOrder('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
      );
  }
  if (request.wantsInitialEvents)
    errors.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
}
