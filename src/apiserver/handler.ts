/** The way of a request: parse the path, authenticate, impersonate, authorize, then the registry or another handler. */

import { bodySizeBytesMax } from '../api/schema/body/body.ts';
import {
  forbidden,
  internalError,
  methodNotAllowed,
  notFound,
  StatusError,
  serviceUnavailable,
  unknownPath,
} from '../api/status.ts';
import { startSteps, Turns } from '../base/async/turns.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { StoreUnavailableError } from '../storage/store.ts';
import type { AuditLog } from './audit/audit-log.ts';
import { anonymousUser, authorizationWarning } from './authentication/authenticator.ts';
import { impersonate } from './authentication/impersonation.ts';
import {
  type Impersonated,
  type ImpersonationRequest,
  LastModes,
} from './authentication/impersonation-modes.ts';
import { type Attributes, type Authorizer, type Decision, whyNot } from './authorization/authorizer.ts';
import { selectedBy } from './authorization/selected.ts';
import { outOfScope, requireCustomVerb } from './custom-resources/custom-routes.ts';
import type { FlowControl } from './flow-control/flow-control.ts';
import { RefusedError } from './flow-control/priority-level.ts';
import { isLongRunning, requestTimeoutMsDefault, timeoutMsOf, withinTime } from './http/deadline.ts';
import { BodyBudget, type BodyShare } from './http/request/body-budget.ts';
import { authorizedName, parsePath } from './http/request/path.ts';
import { requireAcceptable, requireShowable } from './http/response/acceptable.ts';
import { requireProducible } from './http/response/producible.ts';
import type { IdentityMetrics } from './metrics/identity-metrics.ts';
import { pageNotFound, tooManyRequests, undecided } from './plain-answers.ts';
import { prepareViews } from './registry/conversion/conversion.ts';
import type { KindRegistry, ServedResource } from './registry/kind-registry.ts';
import type { Registry } from './registry/registry.ts';
import { serveResource } from './registry/verbs.ts';
import {
  type ApiRequest,
  type ApiResponse,
  longBytes,
  type RequestContext,
  type RequestInfo,
  type UserInfo,
} from './request.ts';
import { StoreFailures } from './store-failures.ts';
import type { SubresourceHandler, SubresourceHandlers } from './subresources/handlers.ts';
import { CachedObject } from './watch-cache/cached-object.ts';

/** Answers paths that name no resource. */
export type PathHandler = (context: RequestContext) => Promise<ApiResponse> | ApiResponse;

/** Answers requests for groups that the kinds of this server do not have (aggregated servers); undefined: not mine. */
export type Delegate = (context: RequestContext) => Promise<ApiResponse> | ApiResponse | undefined;

export interface HandlerOptions {
  registry: Registry;
  authenticate(request: ApiRequest): Promise<UserInfo>;
  authorize: Authorizer;
  subresources: SubresourceHandlers;
  /** Answers creates of kinds that are never stored, by Kind. */
  reviews: ReadonlyMap<string, SubresourceHandler>;
  flowControl: FlowControl;
  /** Counts who is let in. */
  identities: IdentityMetrics;
  /** {@link requestTimeoutMsDefault} when absent. */
  requestTimeoutMs?: number | undefined;
  /** Of all bodies of requests whose turn has not come; {@link BodyBudget} has a default. */
  bodyBytesMax?: number | undefined;
  /** Absent when no audit policy is given. */
  audit?: AuditLog | undefined;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export class RequestHandler {
  readonly #options: HandlerOptions;
  readonly #paths = new Map<string, PathHandler>();
  readonly #routes = new Map<string, PathHandler>();
  readonly #prefixes: { prefix: string; handler: PathHandler }[] = [];
  readonly #delegates: Delegate[] = [];
  readonly #bodies: BodyBudget;
  readonly #lastModes = new LastModes();
  readonly #turns = new Turns();
  readonly #storeFailures: StoreFailures;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#storeFailures = new StoreFailures(options);
    this.#bodies = new BodyBudget(options.bodyBytesMax);
  }

  /** Answers `path` exactly. */
  addPath(path: string, handler: PathHandler): void {
    this.#paths.set(path, handler);
  }

  /** Answers GET of `path`, with a slash behind it or without, to clients that take one of `types`. */
  addRoute(path: string, types: readonly string[], handler: PathHandler): void {
    this.#routes.set(path, (context) => {
      if (context.request.method !== 'GET') throw methodNotAllowed();
      requireProducible(context, types);
      return handler(context);
    });
  }

  /** Answers everything below `prefix`, which ends in a slash. */
  addPrefix(prefix: string, handler: PathHandler): void {
    this.#prefixes.push({ prefix, handler });
  }

  /** Those that are answered exactly. */
  get paths(): Iterable<string> {
    return [...this.#paths.keys(), ...this.#routes.keys()];
  }

  /** Asked before the kinds of this server. */
  addDelegate(delegate: Delegate): void {
    this.#delegates.push(delegate);
  }

  contextOf(request: ApiRequest): RequestContext {
    return {
      request,
      info: parsePath(request.method, request.path, request.query),
      // A client that has a name for its request finds it by that, here and in the servers it passes.
      auditId: request.header('audit-id') || this.#options.random.uuid(),
      user: anonymousUser,
      warnings: [],
      headers: {},
      waited: { ms: 0 },
      turns: this.#turns,
    };
  }

  /** @throws StatusError */
  async answer(context: RequestContext): Promise<ApiResponse> {
    try {
      const { localUser } = context.request;
      if (localUser) context.user = localUser;
      else await this.#authenticate(context);
      // Components of this process end their waits themselves, and are not made to wait for their turn.
      const work = () => (localUser ? this.#answerNow(context) : this.#answerUser(context));
      const { audit } = this.#options;
      return audit ? await audit.around(context, work) : await work();
    } catch (error) {
      throw this.#asStatus(error, context);
    }
  }

  async #authenticate(context: RequestContext): Promise<void> {
    const { identities, authenticate, audit } = this.#options;
    const warning = authorizationWarning(context.request.header('authorization'));
    if (warning) context.warnings.push(warning);
    try {
      context.user = await identities.authenticating(context, () => authenticate(context.request));
    } catch (error) {
      audit?.refused(context, error);
      throw error;
    }
  }

  /** As the user whom the caller impersonates, if any. */
  async #answerUser(context: RequestContext): Promise<ApiResponse> {
    const { request, user: caller } = context;
    const info = { ...context.info, name: authorizedName(context.info, request.query) };
    const { authorize } = this.#options;
    const given = { caller, info, authorize, lastModes: this.#lastModes };
    const { user, constraint } = await impersonating(context, given);
    context.user = user;
    if (user !== caller) context.impersonator = caller;
    if (constraint) context.impersonationConstraint = constraint;
    return await this.#answerInTime(context);
  }

  /** Before its time is up. */
  async #answerInTime(context: RequestContext): Promise<ApiResponse> {
    const { clock, requestTimeoutMs = requestTimeoutMsDefault } = this.#options;
    const { request, user } = context;
    if (isLongRunning(context)) return await this.#answerInTurn(context, requestTimeoutMs);
    const timeoutMs = timeoutMsOf(request.query, requestTimeoutMs);
    context.deadlineMs = clock.monotonic() + timeoutMs;
    const share = hasBodyToRead(request) ? this.#bodies.open(user.name) : undefined;
    try {
      return await withinTime(clock, timeoutMs, () => this.#answerInTurn(context, timeoutMs, share));
    } finally {
      share?.close();
      request.dropBody?.();
    }
  }

  /**
   * When it is the request's turn. Its body is there before: while a client sends, it holds up nobody who has nothing to
   * wait for.
   */
  async #answerInTurn(context: RequestContext, timeoutMs: number, share?: BodyShare): Promise<ApiResponse> {
    const { request } = context;
    if (share && !(await request.receiveBody?.(bodySizeBytesMax, share))) return tooManyRequests(1);
    const client = share ? new SharingClient(request, share) : request;
    const shareClosed = new AbortController();
    try {
      return await this.#options.flowControl.run(context, { timeoutMs, client }, (leaveSeat) => {
        // Seats bound what is at work, so its bodies need no share any more; one that leaves its seat keeps its share.
        if (share && request.isBodyComing)
          context.leaveSeat = () => {
            share.onClose = () => shareClosed.abort();
            leaveSeat();
            return shareClosed.signal;
          };
        else share?.close();
        if ((request.bodyBytes ?? 0) > longBytes) startSteps(context);
        return this.#answerNow(context);
      });
    } catch (error) {
      if (error instanceof RefusedError) return tooManyRequests(error.retryAfterSeconds);
      if (shareClosed.signal.aborted) return tooManyRequests(1);
      throw error;
    }
  }

  async #answerNow(context: RequestContext): Promise<ApiResponse> {
    const { identities, authorize } = this.#options;
    const attributes = attributesOf(context);
    const decision = await identities.authorizing(context, () => authorize(attributes));
    const failure = this.#checkDecision(context, attributes, decision);
    if (failure) return failure;
    const answer = await this.#dispatch(context);
    requireShowable(context.request, answer);
    if (isLong(answer) && !context.request.localUser) startSteps(context);
    // Encoding is synchronous: what takes time happens before.
    if (context.nextStep) await context.nextStep();
    if ('resource' in answer && answer.resource.converter) await prepareObjects(answer);
    return answer;
  }

  /** The answer when it could not be decided. @throws StatusError 403 */
  #checkDecision(
    context: RequestContext,
    attributes: Attributes,
    decision: Decision,
  ): ApiResponse | undefined {
    if (this.#options.audit)
      context.annotations = {
        'authorization.k8s.io/decision': decision.allowed ? 'allow' : 'forbid',
        'authorization.k8s.io/reason': decision.reason ?? '',
      };
    if (decision.allowed) return undefined;
    if (decision.failed) return undecided(context.request, decision);
    const { group, resource, isResource, name } = attributes;
    context.headers['x-content-type-options'] = 'nosniff';
    throw forbidden({ group, plural: isResource ? resource : '' }, name, whyNot(attributes, decision));
  }

  #dispatch(context: RequestContext): Promise<ApiResponse> | ApiResponse {
    const { info } = context;
    for (const delegate of this.#delegates) {
      const answer = delegate(context);
      if (answer) return answer;
    }
    if (!info.isResource) return this.#servePath(context);
    const { kinds } = this.#options.registry;
    const resource = kinds.find(info.group, info.version, info.resource);
    if (!resource) return notServed(kinds, info);
    return this.#serve(context, resource);
  }

  #serve(context: RequestContext, resource: ServedResource): Promise<ApiResponse> | ApiResponse {
    const { info } = context;
    if (resource.isCustom) {
      const elsewhere = outOfScope(context, resource);
      if (elsewhere) return elsewhere;
    } else requireRoute(context, resource);
    warnOfDeprecation(context, resource);
    const handler = this.#options.subresources.find(resource, info.subresource);
    if (!handler && info.subresource !== '')
      throw resource.isCustom ? notFound(resource, info.name) : unknownPath();
    if (resource.isCustom) requireCustomVerb(context, resource);
    requireAcceptable(context, resource);
    if (handler) return handler(this.#options.registry, context, resource);
    if (!resource.cache) {
      const review = this.#options.reviews.get(resource.kind);
      // What is never stored has neither names nor a list over all namespaces.
      if (info.name !== '' || (resource.namespaced && info.namespace === '')) throw unknownPath();
      if (!review || info.verb !== 'create') throw methodNotAllowed();
      return review(this.#options.registry, context, resource);
    }
    return serveResource(this.#options.registry, context, resource);
  }

  #servePath(context: RequestContext): Promise<ApiResponse> | ApiResponse {
    const { path } = context.info;
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    const exact = this.#paths.get(path) ?? this.#routes.get(trimmed);
    if (exact) return exact(context);
    for (const { prefix, handler } of this.#prefixes) if (path.startsWith(prefix)) return handler(context);
    return pageNotFound;
  }

  /** A defect is logged here; the client gets no internals. */
  #asStatus(error: unknown, { info }: RequestContext): StatusError {
    if (error instanceof StatusError) return error;
    if (error instanceof StoreUnavailableError) {
      this.#storeFailures.note(error);
      return storeUnavailable(error);
    }
    this.#options.logger.error('request failed', { verb: info.verb, path: info.path, error });
    return internalError('the server could not serve the request', { cause: error });
  }
}

/** Of built-in kinds. @throws StatusError 404, 405 */
function requireRoute({ info, request }: RequestContext, { namespaced }: ServedResource): void {
  if (namespaced && info.namespace === '' && info.name !== '') throw unknownPath();
  if (!namespaced && info.namespace !== '' && info.resource !== 'namespaces') throw unknownPath();
  if (request.method === 'HEAD' && info.subresource !== 'proxy') throw methodNotAllowed();
}

/** A refusal, of whatever text, is not to be taken for anything else by a browser. */
async function impersonating(
  { request, headers }: RequestContext,
  given: ImpersonationRequest,
): Promise<Impersonated> {
  try {
    return await impersonate(request, given);
  } catch (error) {
    headers['x-content-type-options'] = 'nosniff';
    throw error;
  }
}

function isLong(answer: ApiResponse): boolean {
  if (!('object' in answer) || !(answer.object instanceof CachedObject)) return false;
  return answer.object.sizeBytes > longBytes;
}

function attributesOf({ info, user, request }: RequestContext): Attributes {
  const selected = selectedBy(info, request.query);
  return { ...info, name: authorizedName(info, request.query), user, ...(selected && { selected }) };
}

/** The bodies of other requests are not looked at. */
function hasBodyToRead({ method, hasBody }: ApiRequest): boolean {
  return hasBody === true && method !== 'GET' && method !== 'HEAD';
}

/** A client that waits as long as it is connected and has its share in the memory for bodies. */
class SharingClient {
  readonly #request: ApiRequest;
  readonly #share: BodyShare;

  constructor(request: ApiRequest, share: BodyShare) {
    this.#request = request;
    this.#share = share;
  }

  /** Asked for only by those who wait. */
  get signal(): AbortSignal {
    const closed = new AbortController();
    this.#share.onClose = () => closed.abort();
    return AbortSignal.any([this.#request.signal, closed.signal]);
  }
}

/** Has the objects of an answer converted. */
async function prepareObjects(answer: ApiResponse): Promise<void> {
  if (answer.type === 'list') await prepareViews(answer.resource, answer.items);
  else if (answer.type === 'object' && answer.object instanceof CachedObject)
    await prepareViews(answer.resource, [answer.object]);
}

function notServed(kinds: KindRegistry, { group }: RequestInfo): ApiResponse {
  if (kinds.hasGroup(group) && !kinds.isCustomGroup(group)) throw unknownPath();
  return pageNotFound;
}

/** Whether a write took place may be unknown; asking again is right in every case. */
function storeUnavailable(cause: Error): StatusError {
  const error = serviceUnavailable('the storage does not answer at the moment, please try again', { cause });
  error.status.details = { retryAfterSeconds: 1 };
  return error;
}

function warnOfDeprecation(
  { info, warnings, annotations }: RequestContext,
  { served, definition, kind, apiVersion, isCustom }: ServedResource,
): void {
  const deprecation = served ? served.deprecation : definition.deprecation;
  if (!deprecation || (info.subresource !== '' && !isCustom)) return;
  if (annotations) {
    annotations['k8s.io/deprecated'] = 'true';
    if (deprecation.removedIn) annotations['k8s.io/removed-release'] = deprecation.removedIn;
  }
  const until = deprecation.removedIn ? `, unavailable in v${deprecation.removedIn}+` : '';
  const instead = deprecation.replacement ? `; use ${deprecation.replacement}` : '';
  warnings.push(
    deprecation.warning ?? `${apiVersion} ${kind} is deprecated in v${deprecation.since}+${until}${instead}`,
  );
}
