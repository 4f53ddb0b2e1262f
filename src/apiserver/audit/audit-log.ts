/** The audit log: who did what, as one JSON event per line in upstream's format. */
import type { KubeObject } from '../../api/meta.ts';
import { formatMicroTime } from '../../api/schema/time.ts';
import { internalError, StatusError } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Counter, MetricsRegistry } from '../../base/metrics.ts';
import { parseExactJson } from '../../base/text/exact-json.ts';
import { isLongRunning } from '../http/deadline.ts';
import { sourceAddresses } from '../http/forwarded-for.ts';
import { authorizedName } from '../http/request/path.ts';
import { encodeList } from '../http/response/encode.ts';
import { jsonFormat } from '../http/response/negotiate.ts';
import { type ApiResponse, objectOf, type RequestContext, type UserInfo } from '../request.ts';
import { type AuditPolicy, type AuditRule, type AuditStage, auditRuleFor } from './policy.ts';

export interface AuditOptions {
  policy: AuditPolicy;
  write(line: string): void;
  clock: Pick<Clock, 'now'>;
  metrics: MetricsRegistry;
  logger: Logger;
}

/** Kinds whose content must not get into a log, whatever the policy says. */
const confidential = new Set(['secrets', 'serviceaccounts/token', 'tokenreviews']);

export class AuditLog {
  readonly #options: AuditOptions;
  readonly #events: Counter;
  readonly #levels: Counter;
  readonly #errors: Counter;
  #isFailing = false;

  constructor(options: AuditOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#events = metrics.counter(
      'apiserver_audit_event_total',
      'Counter of audit events generated and sent to the audit backend.',
    );
    this.#levels = metrics.counter(
      'apiserver_audit_level_total',
      'Counter of policy levels for audit events (1 per request).',
    );
    this.#errors = metrics.counter(
      'apiserver_audit_error_total',
      'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    );
    // What cannot be logged is served nevertheless.
    metrics.collected(
      'apiserver_audit_requests_rejected_total',
      'Counter of apiserver requests rejected due to an error in audit logging backend.',
      () => [{ value: 0 }],
      'counter',
    );
  }

  /** Runs `work`, and writes the stages of the request that the policy asks for. */
  async around(context: RequestContext, work: () => Promise<ApiResponse>): Promise<ApiResponse> {
    const { policy, clock } = this.#options;
    // The user in an entry is the authenticated one, whomever it will impersonate.
    const rule = auditRuleFor(policy, context.info, context.user);
    this.#levels.add(1, { level: rule.level });
    if (rule.level === 'None') return await work();
    const audited: AuditedRequest = {
      context,
      rule,
      receivedMs: clock.now(),
      shown: (rule.omitManagedFields ?? policy.omitManagedFields) ? withoutManagedFields : asItIs,
    };
    const lasts = isLongRunning(context);
    this.#write(audited, 'RequestReceived', {});
    try {
      const answer = await work();
      const code = codeOf(answer);
      const complete = () =>
        this.#write(audited, 'ResponseComplete', {
          responseStatus: statusOf(answer) ?? { metadata: {}, code },
          ...contentOf(audited, answer),
        });
      if (lasts) this.#write(audited, 'ResponseStarted', startedWith(code));
      if (streams.has(answer.type)) context.whenOver = complete;
      else complete();
      return answer;
    } catch (error) {
      // Errors that are no API answers become one further up, of which the client learns only the code.
      const { status, code } = error instanceof StatusError ? error : internalError('');
      const told = {
        responseStatus: withoutType(status),
        ...contentOf(audited, { type: 'plain', status: code, object: { ...status } }),
      };
      if (lasts) this.#write(audited, 'ResponseStarted', told);
      this.#write(audited, 'ResponseComplete', told);
      throw error;
    }
  }

  /** Writes that nobody could be found in the credentials of a request. */
  refused(context: RequestContext, error: unknown): void {
    const { policy, clock } = this.#options;
    const rule = auditRuleFor(policy, context.info, nobody);
    this.#levels.add(1, { level: rule.level });
    if (rule.level === 'None') return;
    // As the client sees it: upstream's own words about what was attempted are replaced by those of the answer.
    const { status, message, reason, code } = (error instanceof StatusError ? error : internalError(''))
      .status;
    const audited = { context: { ...context, user: nobody }, rule, receivedMs: clock.now(), shown: asItIs };
    this.#write(audited, 'ResponseStarted', {
      responseStatus: { metadata: {}, status, message, reason, code },
    });
  }

  #write(
    { context, rule: { level, omitStages = [] }, receivedMs }: AuditedRequest,
    stage: AuditStage,
    { listJson, ...more }: EventContent,
  ): void {
    const { info, request, user, impersonator, impersonationConstraint, auditId, annotations } = context;
    const { policy, clock } = this.#options;
    if (omitStages.includes(stage) || policy.omitStages?.includes(stage)) return;
    const event = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: auditId,
      stage,
      requestURI: request.search ? `${request.path}?${request.search}` : request.path,
      verb: info.verb,
      user: userOf(impersonator ?? user),
      ...(impersonator && { impersonatedUser: userOf(user) }),
      ...(impersonationConstraint && { authenticationMetadata: { impersonationConstraint } }),
      sourceIPs: sourceAddresses(request),
      userAgent: shortened(request.header('user-agent') ?? ''),
      ...(info.isResource && { objectRef: referenceOf(context) }),
      requestReceivedTimestamp: formatMicroTime(receivedMs),
      stageTimestamp: formatMicroTime(clock.now()),
      ...more,
      ...(annotations && { annotations: level === 'Metadata' ? withoutContent(annotations) : annotations }),
    };
    this.#events.add(1);
    const text = JSON.stringify(event);
    this.#writeLine(
      listJson ? `${text.slice(0, -1)},"responseObject":${listJson.trimEnd()}}\n` : `${text}\n`,
    );
  }

  /** As upstream: a log that takes no more, on a full disk perhaps, is counted and reported, and fails no request. */
  #writeLine(line: string): void {
    const { write, logger } = this.#options;
    try {
      write(line);
      this.#isFailing = false;
    } catch (error) {
      this.#errors.add(1, { plugin: 'log' });
      if (!this.#isFailing) logger.error('the audit log cannot be written; requests go on', { error });
      this.#isFailing = true;
    }
  }
}

/** Whose request bears no credentials that are good. */
const nobody: UserInfo = { name: '', groups: [] };

const userAgentLengthMax = 1024;

function shortened(userAgent: string): string {
  return userAgent.length > userAgentLengthMax
    ? `${userAgent.slice(0, userAgentLengthMax)}...TRUNCATED`
    : userAgent;
}

/** Of patches that webhooks made: parts of objects, which this level does not show. */
const contentPrefix = 'patch.webhook.admission.k8s.io/';

function withoutContent(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith(contentPrefix)));
}

/** A request that the policy has recorded. */
interface AuditedRequest {
  context: RequestContext;
  rule: AuditRule;
  receivedMs: number;
  /** Objects as recorded: with their managed fields or without. */
  shown: (object: unknown) => unknown;
}

/** Responses that continue after their head is sent. */
const streams: ReadonlySet<ApiResponse['type']> = new Set(['watch', 'stream', 'hijacked']);

function codeOf(answer: ApiResponse): number {
  if (answer.type === 'hijacked') return 101;
  return 'status' in answer ? answer.status : 200;
}

function startedWith(code: number): EventContent {
  return { responseStatus: { metadata: {}, code } };
}

/** Of a new object the body has the name, once it is read. */
function referenceOf({ info, request, requestObject }: RequestContext): object {
  const isWhole = info.verb === 'create' || info.verb === 'update';
  const { metadata } = ((isWhole && requestObject) || {}) as Partial<KubeObject>;
  const name = authorizedName(info, request.query) || metadata?.name;
  return {
    resource: info.resource,
    ...(info.namespace && { namespace: info.namespace }),
    ...(name && { name }),
    ...(metadata?.uid && { uid: metadata.uid }),
    ...(info.group && { apiGroup: info.group }),
    apiVersion: info.version,
    ...(metadata?.resourceVersion && { resourceVersion: metadata.resourceVersion }),
    ...(info.subresource && { subresource: info.subresource }),
  };
}

/** A Status that is the answer. */
function statusOf(answer: ApiResponse): object | undefined {
  if (answer.type !== 'plain') return undefined;
  const object = answer.object as { kind?: string };
  return object.kind === 'Status' ? { ...withoutType(object), code: answer.status } : undefined;
}

function withoutType(status: object): object {
  const { kind: _kind, apiVersion: _apiVersion, ...facts } = status as Record<string, unknown>;
  return facts;
}

interface EventContent extends Record<string, unknown> {
  /** A list as it is sent: composed of its items' bytes, and never decoded. */
  listJson?: string;
}

function userOf({ name, uid, groups, extra }: UserInfo): Record<string, unknown> {
  return {
    ...(name && { username: name }),
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(extra && { extra }),
  };
}

function contentOf(
  { context: { info, requestObject }, rule: { level }, shown }: AuditedRequest,
  answer: ApiResponse,
): EventContent {
  const name = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  if (level === 'Metadata' || confidential.has(name) || confidential.has(info.resource)) return {};
  return {
    ...(requestObject !== undefined && { requestObject: shown(requestObject) }),
    ...(level === 'RequestResponse' && responseOf(answer, shown)),
  };
}

function asItIs(object: unknown): unknown {
  return object;
}

/** Of an object, or of each of a list. */
function withoutManagedFields(value: unknown): unknown {
  const object = value as Partial<KubeObject> & { items?: unknown };
  if (typeof object !== 'object' || object === null) return value;
  if (Array.isArray(object.items)) return { ...object, items: object.items.map(withoutManagedFields) };
  if (!object.metadata?.managedFields) return value;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Nothing for what is no object: streams. */
function responseOf(answer: ApiResponse, shown: AuditedRequest['shown']): EventContent {
  if (answer.type === 'object') return { responseObject: shown(objectOf(answer.object)) };
  if (answer.type === 'plain') return { responseObject: answer.object };
  if (answer.type !== 'list') return {};
  const context = { format: jsonFormat, includeObject: 'Metadata' as const, nowMs: 0 };
  const listJson = encodeList(answer, context).body.toString('utf8');
  return shown === asItIs ? { listJson } : { responseObject: shown(parseExactJson(listJson)) };
}
