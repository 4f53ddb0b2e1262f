/** Asks an external server by SubjectAccessReviews, and caches its answers for a while. */
import { CelError } from '../../api/cel/environment.ts';
import { untypedCelValue } from '../../api/cel/values.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { parseExactJson } from '../../base/text/exact-json.ts';
import type { AuthorizationMetrics, CallResult } from '../metrics/authorization-metrics.ts';
import { AnswerStatusError, DeadlineError } from '../outgoing/post-json.ts';
import type { Attributes, Authorizer, Decision } from './authorizer.ts';
import type { WebhookSettings } from './configuration.ts';
import type { SelectorRequirement } from './selected.ts';

export interface WebhookAuthorizerOptions {
  name: string;
  settings: Omit<WebhookSettings, 'kubeconfigFile'>;
  /** The text of the answer. @throws as postJson */
  post(body: string, timeoutMs: number): Promise<string>;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: AuthorizationMetrics;
}

interface ReviewStatus {
  allowed?: boolean;
  denied?: boolean;
  reason?: string;
}

/** As upstream: five tries, half a second apart and more. */
const triesMax = 5;
const retry = { firstMs: 500, factor: 1.5, maxMs: 5_000 };
const jitter = 0.2;
const rememberedMax = 8_192;
/** Longer questions are not cached: clients control their length. */
const rememberedCharsMax = 10_000;

export function webhookAuthorizer(options: WebhookAuthorizerOptions): Authorizer {
  const { name, settings, clock, metrics } = options;
  const remembered = new RememberedAnswers(settings, clock);
  return (attributes) => {
    const spec = specOf(attributes);
    if (settings.conditions.length > 0) {
      const startMs = clock.monotonic();
      const outcome = matches(settings, spec);
      const seconds = (clock.monotonic() - startMs) / 1000;
      metrics.conditions(name, typeof outcome === 'string' ? outcome : 'error', seconds);
      if (outcome === 'exclusion') return { allowed: false };
      if (outcome !== 'match') return failure(settings, outcome.error);
    }
    const key = JSON.stringify(spec);
    const known = remembered.find(key);
    return known
      ? decisionOf(known)
      : ask(options, spec, (status) => remembered.keep(key, attributes, status));
  };
}

async function ask(
  options: WebhookAuthorizerOptions,
  spec: object,
  keep: (status: ReviewStatus) => void,
): Promise<Decision> {
  const { name, settings, logger, metrics } = options;
  try {
    const status = await review(options, spec);
    keep(status);
    return decisionOf(status);
  } catch (error) {
    logger.error('the authorization webhook did not answer', { name, error });
    if (settings.onFailure === 'NoOpinion') metrics.failedOpen(name, resultOf(error));
    return failure(settings, messageOf(error));
  }
}

/** What the conditions see: fields that are empty, too. */
function specOf(attributes: Attributes) {
  const { user, isResource, path, verb, group, version, resource, subresource, namespace, name } = attributes;
  const { name: userName, groups, uid = '', extra = {} } = user;
  const who = { user: userName, groups, uid, extra };
  return isResource
    ? {
        resourceAttributes: {
          ...{ namespace, verb, group, version, resource, subresource, name },
          ...selectorsOf(attributes),
        },
        ...who,
      }
    : { nonResourceAttributes: { path, verb }, ...who };
}

function selectorsOf({ selected }: Attributes): object {
  const { fields = [], labels = [] } = selected?.() ?? {};
  // List selectors have more operators than reviews can express.
  const sent = labels.filter(({ operator }) => operator !== 'Gt' && operator !== 'Lt');
  return {
    ...(fields.length > 0 && { fieldSelector: { requirements: fields } }),
    ...(sent.length > 0 && { labelSelector: { requirements: sent.map(withoutNoValues) } }),
  };
}

function withoutNoValues({ values, ...requirement }: SelectorRequirement): object {
  return values.length > 0 ? { ...requirement, values } : requirement;
}

function matches(
  { conditions }: Pick<WebhookSettings, 'conditions'>,
  spec: object,
): 'match' | 'exclusion' | { error: string } {
  const values = { request: untypedCelValue(spec) };
  const errors: string[] = [];
  for (const { source, evaluate } of conditions) {
    try {
      const result = evaluate(values);
      if (result === false) return 'exclusion';
      if (result !== true) errors.push(`cel evaluation error: expression '${source}' must evaluate to bool`);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      errors.push(`cel evaluation error: expression '${source}' resulted in error: ${error.message}`);
    }
  }
  return errors.length === 0 ? 'match' : { error: errors.join(', ') };
}

function failure({ onFailure }: Pick<WebhookSettings, 'onFailure'>, evaluationError: string): Decision {
  return { allowed: false, ...(onFailure === 'Deny' && { denied: true }), evaluationError, failed: true };
}

function decisionOf({ allowed = false, denied = false, reason }: ReviewStatus): Decision {
  const why = reason ? { reason } : {};
  if (allowed && denied) {
    const evaluationError = 'webhook subject access review returned both allow and deny response';
    return { allowed: false, denied, evaluationError, failed: true, ...why };
  }
  return { allowed, ...(denied && { denied }), ...why };
}

async function review(options: WebhookAuthorizerOptions, spec: object): Promise<ReviewStatus> {
  const { name, settings, post, clock, random, metrics } = options;
  const apiVersion = `authorization.k8s.io/${settings.version}`;
  const body = JSON.stringify({
    kind: 'SubjectAccessReview',
    apiVersion,
    metadata: {},
    spec: withoutEmpty(spec, settings.version),
    status: { allowed: false },
  });
  for (let attempt = 1; ; attempt++) {
    const startMs = clock.monotonic();
    const ended = (result: CallResult) => metrics.called(name, result, (clock.monotonic() - startMs) / 1000);
    try {
      const status = statusOf(await post(body, settings.timeoutMs), apiVersion);
      ended('success');
      return status;
    } catch (error) {
      ended(resultOf(error));
      if (attempt === triesMax || !mayPass(error)) throw error;
    }
    await clock.sleep(backoffDelayMs(retry, attempt - 1) * (1 + jitter * random.next()));
  }
}

/** Upstream's encoding leaves out what is empty; the old version calls the groups `group`. */
function withoutEmpty(spec: object, version: WebhookSettings['version']): object {
  const entries = Object.entries(spec)
    .map(
      ([field, value]) => [field, field.endsWith('Attributes') ? withoutEmpty(value, 'v1') : value] as const,
    )
    .filter(([, value]) => (typeof value === 'object' ? Object.keys(value).length > 0 : value !== ''));
  return Object.fromEntries(
    entries.map(([field, value]) => [version === 'v1beta1' && field === 'groups' ? 'group' : field, value]),
  );
}

/** @throws Error when it is no review */
function statusOf(text: string, apiVersion: string): ReviewStatus {
  const answer = parseExactJson(text) as { kind?: unknown; apiVersion?: unknown; status?: unknown } | null;
  if (answer?.kind !== 'SubjectAccessReview' || answer.apiVersion !== apiVersion)
    throw new Error(
      `the answer is no ${apiVersion} SubjectAccessReview, but ${JSON.stringify(answer?.apiVersion)} ${JSON.stringify(answer?.kind)}`,
    );
  const status = (answer.status ?? {}) as Record<keyof ReviewStatus, unknown>;
  return {
    allowed: status.allowed === true,
    denied: status.denied === true,
    ...(typeof status.reason === 'string' && { reason: status.reason }),
  };
}

function resultOf(error: unknown): CallResult {
  return error instanceof DeadlineError ? 'timeout' : 'error';
}

/** Whether it is worth another try, by upstream's rules. */
function mayPass(error: unknown): boolean {
  if (error instanceof AnswerStatusError) return [429, 500, 504].includes(error.status);
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET';
}

class RememberedAnswers {
  readonly #settings: Pick<WebhookSettings, 'authorizedTtlMs' | 'unauthorizedTtlMs'>;
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #answers = new Map<string, { status: ReviewStatus; untilMs: number }>();

  constructor(settings: Pick<WebhookSettings, 'authorizedTtlMs' | 'unauthorizedTtlMs'>, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  find(key: string): ReviewStatus | undefined {
    const found = this.#answers.get(key);
    if (!found) return undefined;
    this.#answers.delete(key);
    if (found.untilMs <= this.#clock.monotonic()) return undefined;
    this.#answers.set(key, found);
    return found.status;
  }

  keep(
    key: string,
    { path, namespace, verb, name, resource, group }: Attributes,
    status: ReviewStatus,
  ): void {
    const ttlMs = status.allowed ? this.#settings.authorizedTtlMs : this.#settings.unauthorizedTtlMs;
    const chosen = [path, namespace, verb, name, resource, group].join('').length;
    if (ttlMs === 0 || chosen >= rememberedCharsMax) return;
    if (this.#answers.size >= rememberedMax) this.#answers.delete(this.#answers.keys().next().value!);
    this.#answers.set(key, { status, untilMs: this.#clock.monotonic() + ttlMs });
  }
}
