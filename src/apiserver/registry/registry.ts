/** What the verbs need: the store behind the view, the kinds, admission, time. One per API server. */

import { forbidden, notFound } from '../../api/status.ts';
import type { TurnTaker } from '../../base/async/turns.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Store } from '../../storage/store.ts';
import type { AdmissionChain } from '../admission/admission.ts';
import { type Authorizer, resourceQuestion, whyNot } from '../authorization/authorizer.ts';
import type { UserInfo } from '../request.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import type { StoreView } from '../watch-cache/store-view.ts';
import type { WatchSessions } from '../watch-cache/watch-session.ts';
import type { Allocator } from './allocations.ts';
import { inStoredVersion } from './conversion/conversion.ts';
import type { KindRegistry, ServedResource } from './kind-registry.ts';

export interface Registry {
  readonly store: Store;
  readonly view: StoreView;
  readonly sessions: WatchSessions;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly admission: AdmissionChain;
  readonly authorize: Authorizer;
  /** Resources whose objects get something that only one of them may have. By storage prefix. */
  readonly allocators: Map<string, Allocator>;
}

/** Who writes, and how: the options that all writing verbs share. */
export interface WriteRequest {
  /** As authorization names it; absent in requests of the server's own. */
  verb?: string;
  resource: ServedResource;
  namespace: string;
  /** Empty on a create that leaves the name to the body or to generateName. */
  name: string;
  /** Empty for the object itself. */
  subresource: string;
  user: UserInfo;
  dryRun: boolean;
  fieldManager: string;
  /** The options of the query, for webhooks; absent in requests of the server's own. */
  options?: Record<string, unknown>;
  /** Collects texts for `Warning` headers. */
  warnings: string[];
  /** Collects the audit log's notes on the request; absent when there is no audit log. */
  annotations?: Record<string, string> | undefined;
  /** Collects the waits for webhooks; absent when they are not reported. */
  waited?: { ms: number };
  /** When the answer is due, on the scale of {@link Clock.monotonic}; absent when it may take any time. */
  deadlineMs?: number;
  /** Work on a long body or object is done in steps. */
  nextStep?: TurnTaker['nextStep'];
  /** Of all requests' long work; absent in requests of the server's own. */
  turns?: TurnTaker['turns'];
}

export function storageKey(resource: ServedResource, namespace: string, name: string): string {
  return resource.namespaced ? `${namespace}/${name}` : name;
}

export function cacheOf(resource: ServedResource): ResourceCache {
  if (!resource.cache) throw new Error(`${resource.plural} are not stored`);
  return resource.cache;
}

/** A write of another verb that would create the object needs the right to create, too. @throws StatusError 403 */
export async function requireCreate(
  registry: Registry,
  { resource, namespace, name, user }: WriteRequest,
): Promise<void> {
  const { group, version, plural } = resource;
  const attributes = resourceQuestion({
    user,
    verb: 'create',
    group,
    version,
    resource: plural,
    namespace,
    name,
  });
  const decision = await registry.authorize(attributes);
  if (!decision.allowed) throw forbidden(resource, name, whyNot(attributes, decision));
}

/** The newest state of an object: a promise only where it is not there at once. @throws StatusError NotFound */
export function readCurrent(
  registry: Registry,
  resource: ServedResource,
  namespace: string,
  name: string,
): CachedObject | Promise<CachedObject> {
  const { view } = registry;
  if (!view.isCurrent) return view.caughtUp().then(() => readInView(resource, namespace, name));
  return readInView(resource, namespace, name);
}

function readInView(
  resource: ServedResource,
  namespace: string,
  name: string,
): CachedObject | Promise<CachedObject> {
  const found = cacheOf(resource).get(storageKey(resource, namespace, name));
  if (!found) throw notFound(resource, name);
  return resource.isCustom ? inStoredVersion(resource, found) : found;
}
