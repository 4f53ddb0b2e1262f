/** Watch: decides where it begins and how long it lasts; {@link WatchSession} does the rest. */

import { parseFieldSelector } from '../../../api/selectors/selectors.ts';
import { invalid } from '../../../api/status.ts';
import { type FieldError, forbiddenField, notSupported } from '../../../api/validation/field-error.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import { authorizedName } from '../../http/request/path.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { WatchSessionOptions } from '../../watch-cache/watch-session.ts';
import type { WatchScope } from '../../watch-cache/watcher-counts.ts';
import { prepareViews } from '../conversion/conversion.ts';
import type { ServedResource } from '../kind-registry.ts';
import { cacheOf, type Registry } from '../registry.ts';
import { numberOf } from '../request-options.ts';
import { selectionOf } from '../selection.ts';
import { parseReadRevision, waitUntilFresh } from './read-revision.ts';

/** Watches that set no timeout end after this time, or up to twice as long, so that they spread. */
const watchTimeoutMinMs = 30 * 60 * 1000;

export async function startWatch(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const { info, request } = context;
  const { query } = request;
  const selection = selectionOf(resource, {
    namespace: info.namespace,
    name: info.name,
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
  });
  const timeoutSeconds = numberOf(query, 'timeoutSeconds') ?? 0;
  const session = registry.sessions.create({
    cache: cacheOf(resource),
    selection,
    ...(await startOf(registry, query)),
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : watchTimeoutMinMs * (1 + registry.random.next()),
    signal: request.signal,
    scope: scopeOf(context, resource),
    ...(resource.converter && { prepare: (objects) => prepareViews(resource, objects) }),
  });
  return { type: 'watch', resource, session };
}

/** Of watches of the pods of a node, each change concerns one at most, which upstream finds by an index. */
function scopeOf({ info, request }: RequestContext, { plural }: ServedResource): WatchScope | undefined {
  const { terms } = parseFieldSelector(request.query.get('fieldSelector') ?? '');
  const isOfNode = terms.some(({ field, equals, value }) => field === 'spec.nodeName' && equals && value);
  if (plural === 'pods' && isOfNode) return undefined;
  return { namespace: info.namespace, name: authorizedName(info, request.query) };
}

async function startOf(
  registry: Registry,
  query: URLSearchParams,
): Promise<Pick<WatchSessionOptions, 'start' | 'ready'>> {
  const { view } = registry;
  const resourceVersion = query.get('resourceVersion') ?? '';
  const wantsInitial = query.get('sendInitialEvents');
  checkWatchOptions(query);
  const revision = parseReadRevision(resourceVersion);
  if (wantsInitial !== null) {
    if (resourceVersion === '') {
      if (!view.isCurrent) await view.caughtUp();
    }
    const initialState = isTrue(wantsInitial);
    const start = {
      initialState,
      initialEventsEnd: initialState && isTrue(query.get('allowWatchBookmarks')),
      afterRevision: revision || view.revision,
    };
    // Reported as an event if it takes too long: the watch has begun by then.
    return initialState && revision > 0
      ? { start, ready: () => waitUntilFresh(registry, resourceVersion) }
      : { start };
  }
  if (resourceVersion === '') {
    if (!view.isCurrent) await view.caughtUp();
    // A client that accepts bookmarks is told where the initial state ends, whether it asked for that or not.
    const initialEventsEnd = isTrue(query.get('allowWatchBookmarks'));
    const afterRevision = initialEventsEnd ? view.revision : 0;
    return { start: { initialState: true, initialEventsEnd, afterRevision } };
  }
  return { start: { initialState: revision === 0, initialEventsEnd: false, afterRevision: revision } };
}

function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get('resourceVersionMatch') ?? '';
  const wantsInitial = query.get('sendInitialEvents');
  const errors: FieldError[] = [];
  if (wantsInitial !== null) {
    if (match !== 'NotOlderThan')
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
        ),
      );
  }
  if (match) {
    if (wantsInitial === null)
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
        ),
      );
    if (match !== 'NotOlderThan') errors.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    if (query.get('continue'))
      errors.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
      );
  }
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
}
