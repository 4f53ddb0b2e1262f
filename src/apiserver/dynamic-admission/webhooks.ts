/** Mutating and validating admission webhooks as two plugins of the admission chain. */

import { CelError } from '../../api/cel/environment.ts';
import type { KubeObject } from '../../api/meta.ts';
import { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../../api/resources.gen.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { applyJsonPatch, JsonPatchError } from '../../api/schema/patch/json-patch.ts';
import { badRequest, forbidden, internalError, StatusError } from '../../api/status.ts';
import type { MutatingWebhook, ValidatingWebhook } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { parseExactJson } from '../../base/text/exact-json.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import { Reinvocation } from '../admission/reinvocation.ts';
import type { AdmissionMetrics, WebhookType } from '../metrics/admission-metrics.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { AccessAnswers } from './access-answers.ts';
import { type CompiledCondition, celVariablesOf, compileConditions, conditionsHold } from './conditions.ts';
import { compileMatcher, type MatchContext, type Matcher } from './matching.ts';
import { type AdmissionRequest, type AdmissionResponse, admissionRequestOf, objectAfter } from './review.ts';
import { readResponse } from './review-answer.ts';
import { WebhookCallError, type WebhookClient } from './webhook-client.ts';

export interface WebhookOptions extends MatchContext {
  clock: Clock;
  metrics: AdmissionMetrics;
  client: WebhookClient;
  random: Random;
  logger: Logger;
}

interface Hook {
  /** Of the configuration and the webhook within. */
  key: string;
  webhook: MutatingWebhook | ValidatingWebhook;
  matcher: Matcher;
  conditions: readonly CompiledCondition[];
}

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;

const defaultTimeoutSeconds = 10;
const reviewVersions = ['v1', 'v1beta1'];

export function webhookPlugins(options: WebhookOptions): AdmissionPlugin[] {
  const mutating = new Hooks(options, MutatingWebhookConfiguration);
  const validating = new Hooks(options, ValidatingWebhookConfiguration);
  return [
    {
      name: 'MutatingAdmissionWebhook',
      handlesAnyKind: true,
      mutate: (attributes) => (mutating.concern(attributes) ? mutating.mutate(attributes) : undefined),
    },
    {
      name: 'ValidatingAdmissionWebhook',
      handlesAnyKind: true,
      validate: (attributes) =>
        validating.concern(attributes) ? validating.validate(attributes) : undefined,
    },
  ];
}

class Hooks {
  readonly #options: WebhookOptions;
  readonly #type: typeof MutatingWebhookConfiguration | typeof ValidatingWebhookConfiguration;
  #hooks: readonly Hook[] = [];
  #changes = -1;

  constructor(
    options: WebhookOptions,
    type: typeof MutatingWebhookConfiguration | typeof ValidatingWebhookConfiguration,
  ) {
    this.#options = options;
    this.#type = type;
  }

  /** Quick: false when nothing is configured, or when the request is about the configuration itself. */
  concern({ request }: AdmissionAttributes): boolean {
    return this.#current().length > 0 && request.resource.group !== 'admissionregistration.k8s.io';
  }

  /** One after the other, each seeing what those before it changed. */
  async mutate(attributes: AdmissionAttributes): Promise<void> {
    attributes.reinvocation ??= new Reinvocation();
    const again = attributes.reinvocation.of('MutatingAdmissionWebhook');
    again.begin(attributes.object);
    for (const hook of this.#current()) {
      if (!again.isTurnOf(hook.key)) continue;
      const before = attributes.object;
      if (!(await this.#mutateBy(hook, attributes))) continue;
      if (attributes.object !== before && !equalJson(before, attributes.object)) again.changed();
      if ((hook.webhook as MutatingWebhook).reinvocationPolicy === 'IfNeeded') again.add(hook.key);
    }
    again.end(attributes.object);
  }

  /** Concurrently; the first refusal in the order of configurations is the answer. */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.#current().map(async (hook) => {
        const shown = await this.#wants(hook, attributes);
        if (shown) await this.#ask(hook, attributes, shown);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #mutateBy(hook: Hook, attributes: AdmissionAttributes): Promise<boolean> {
    const shown = await this.#wants(hook, attributes);
    if (!shown) return false;
    const answered = await this.#ask(hook, attributes, shown);
    if (!answered?.response.patch || !attributes.object) return true;
    const { response, request } = answered;
    const patched = patchedObject(hook.webhook.name, request.object!, response);
    try {
      attributes.object = await objectAfter(attributes, shown, patched);
    } catch (error) {
      // The client has done nothing wrong.
      if (error instanceof StatusError && error.code === 400) throw internalError(withoutKind(error.message));
      throw error;
    }
    return true;
  }

  /** The version to show; undefined when the hook is not about the request. */
  async #wants(hook: Hook, attributes: AdmissionAttributes): Promise<ServedResource | undefined> {
    const shown = hook.matcher.match(attributes);
    if (!shown || hook.conditions.length === 0) return shown;
    const answers = new AccessAnswers(this.#options.authorize);
    const variables = celVariablesOf(await admissionRequestOf(attributes, shown, ''), attributes, answers);
    try {
      return (await answers.settled(() => conditionsHold(hook.conditions, variables))) ? shown : undefined;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      if (hook.webhook.failurePolicy === 'Ignore') return undefined;
      throw forbidden(attributes.request.resource, attributes.name, error.message);
    }
  }

  async #ask(
    hook: Hook,
    attributes: AdmissionAttributes,
    shown: ServedResource,
  ): Promise<{ response: AdmissionResponse; request: AdmissionRequest } | undefined> {
    const { webhook } = hook;
    const { dryRun } = attributes.request;
    if (dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
      throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
    }
    const request = await admissionRequestOf(attributes, shown, this.#options.random.uuid());
    const response = await this.#timed(webhook, request, attributes.request.elsewhere);
    if (!response) return undefined;
    for (const warning of response.warnings ?? [])
      if (isHeaderText(warning)) attributes.request.warnings.push(warning);
    const { annotations } = attributes.request;
    for (const [key, value] of Object.entries(response.auditAnnotations ?? {}))
      if (annotations) annotations[`${webhook.name}/${key}`] = value;
    if (!response.allowed) throw denial(webhook.name, response.status);
    return { response, request };
  }

  /** A call, counted with its outcome. */
  async #timed(
    webhook: Hook['webhook'],
    request: AdmissionRequest,
    elsewhere: { ms: number } = { ms: 0 },
  ): Promise<AdmissionResponse | undefined> {
    const { clock, metrics } = this.#options;
    const type: WebhookType = this.#type === MutatingWebhookConfiguration ? 'admit' : 'validating';
    const call = { name: webhook.name, type, operation: request.operation };
    const startMs = clock.monotonic();
    const count = (outcome: { code: number; rejected: boolean }) => {
      const tookMs = clock.monotonic() - startMs;
      elsewhere.ms += tookMs;
      metrics.webhook({ ...call, seconds: tookMs / 1000, ...outcome });
    };
    try {
      const response = await this.#call(webhook, request);
      if (!response) metrics.webhookFailedOpen(webhook.name, type);
      const rejected = response?.allowed === false;
      const code = rejected ? denialCode(response.status) : 200;
      count({ code, rejected });
      if (rejected) metrics.webhookRejected(call, 'no_error', code);
      return response;
    } catch (error) {
      count({ code: 500, rejected: true });
      metrics.webhookRejected(call, 'calling_webhook_error', 0);
      throw error;
    }
  }

  /** Undefined when the webhook cannot be asked and its failures are to be ignored. */
  async #call(webhook: Hook['webhook'], request: AdmissionRequest): Promise<AdmissionResponse | undefined> {
    const version =
      webhook.admissionReviewVersions.find((candidate) => reviewVersions.includes(candidate)) ?? 'v1';
    const apiVersion = `admission.k8s.io/${version}`;
    const timeoutMs = (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000;
    try {
      const body = { kind: 'AdmissionReview', apiVersion, request };
      const answer = await this.#options.client.post(webhook.clientConfig, body, timeoutMs);
      const isMutating = this.#type === MutatingWebhookConfiguration;
      return readResponse(answer, { apiVersion, uid: request.uid, isMutating });
    } catch (error) {
      if (!(error instanceof WebhookCallError)) throw error;
      if (webhook.failurePolicy === 'Ignore') {
        this.#options.logger.warn('a webhook failed and is ignored, as it asks for', {
          webhook: webhook.name,
          error,
        });
        return undefined;
      }
      throw internalError(`failed calling webhook ${JSON.stringify(webhook.name)}: ${error.message}`, {
        cause: error,
      });
    }
  }

  #current(): readonly Hook[] {
    const changes = this.#options.objects.changesOf(this.#type);
    if (changes === this.#changes) return this.#hooks;
    this.#changes = changes;
    const configurations = [
      ...this.#options.objects.list<Configuration>(this.#type as typeof MutatingWebhookConfiguration),
    ];
    configurations.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    this.#hooks = configurations.flatMap((configuration) =>
      (configuration.webhooks ?? []).map((webhook) => this.#compile(configuration.metadata.name, webhook)),
    );
    return this.#hooks;
  }

  #compile(configuration: string, webhook: Hook['webhook']): Hook {
    return {
      key: `${configuration}/${webhook.name}`,
      webhook,
      matcher: compileMatcher({ ...webhook, rules: webhook.rules ?? [] }, this.#options),
      conditions: compileConditions(webhook.matchConditions),
    };
  }
}

function isHeaderText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what headers cannot hold
  return !/[\x00-\x1f\x7f]/.test(text);
}

/** `ConfigMap in version "v1" cannot be handled as a ConfigMap: json: …` → `json: …` */
function withoutKind(message: string): string {
  return message.replace(/^.* cannot be handled as an? \w+: /, '');
}

/** @throws StatusError 500 when the patch is invalid, or does not apply */
function patchedObject(
  name: string,
  object: KubeObject,
  { patch, patchType }: AdmissionResponse,
): Record<string, unknown> {
  const failed = (why: string) => internalError(`failed calling webhook ${JSON.stringify(name)}: ${why}`);
  if (patchType !== 'JSONPatch') throw failed(`unsupported patch type ${JSON.stringify(patchType)}`);
  const undecodable = (why: string) => failed(`received undecodable patch in webhook response: ${why}`);
  const text = Buffer.from(patch!, 'base64').toString('utf8');
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch {
    // In Go's words instead of V8's.
    throw undecodable(`invalid character '${text[0] ?? ''}' looking for beginning of value`);
  }
  // What Go writes for a list of no operations.
  if (value === null) return asJsonObject(object);
  if (!Array.isArray(value))
    throw undecodable('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  try {
    return applyJsonPatch(asJsonObject(object), value) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof JsonPatchError) throw internalError(error.message);
    throw error;
  }
}

/**
 * Upstream's words around the webhook's message; the code is at least that of a client error, and at most one that HTTP
 * can carry.
 */
function denial(name: string, status: AdmissionResponse['status']): StatusError {
  const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
  const explanation = status?.message || status?.reason;
  const message = explanation ? `${denied}: ${explanation}` : `${denied} without explanation`;
  return new StatusError(denialCode(status), status?.reason ?? '', message, { details: status?.details });
}

const statusCodeMax = 599;

function denialCode(status: AdmissionResponse['status']): number {
  const code = status?.code ?? 400;
  return code > statusCodeMax ? 500 : Math.max(400, code);
}
