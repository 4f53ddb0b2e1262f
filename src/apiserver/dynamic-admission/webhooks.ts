/** Mutating and validating admission webhooks as two plugins of the admission chain. */

import { CelError } from '../../api/cel/environment.ts';
import type { KubeObject } from '../../api/meta.ts';
import { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../../api/resources.gen.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import {
  applyJsonPatch,
  JsonPatchError,
  type JsonPatchOperation,
} from '../../api/schema/patch/json-patch.ts';
import { badRequest, forbidden, internalError, requestTimeout, StatusError } from '../../api/status.ts';
import type { MutatingWebhook, ValidatingWebhook } from '../../api/types/admissionregistration-v1.gen.ts';
import { qualifiedNameProblems } from '../../api/validation/names.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import { Reinvocation } from '../admission/reinvocation.ts';
import { lateMessage } from '../http/deadline.ts';
import type { AdmissionMetrics, WebhookError, WebhookType } from '../metrics/admission-metrics.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { WriteRequest } from '../registry/registry.ts';
import { AccessAnswers } from './access-answers.ts';
import { type CompiledCondition, celVariablesOf, compileConditions, conditionsHold } from './conditions.ts';
import { compileMatcher, type MatchContext, type Matcher } from './matching.ts';
import { type AdmissionRequest, type AdmissionResponse, admissionRequestOf, objectAfter } from './review.ts';
import { readPatch, readResponse } from './review-answer.ts';
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
  configuration: string;
  webhook: MutatingWebhook | ValidatingWebhook;
  matcher: Matcher;
  conditions: readonly CompiledCondition[];
}

/** One webhook's, within one way of a request through all of them. */
interface Turn {
  /** The version in which it wants to see the object. */
  shown: ServedResource;
  /** As annotations of the audit log name it. */
  place: string;
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
      mutate: (attributes) => (mutating.concerns(attributes) ? mutating.mutate(attributes) : undefined),
    },
    {
      name: 'ValidatingAdmissionWebhook',
      handlesAnyKind: true,
      validate: (attributes) =>
        validating.concerns(attributes) ? validating.validate(attributes) : undefined,
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
  concerns({ request }: AdmissionAttributes): boolean {
    return this.#current().length > 0 && request.resource.group !== 'admissionregistration.k8s.io';
  }

  /** One after the other, each seeing what those before it changed. */
  async mutate(attributes: AdmissionAttributes): Promise<void> {
    attributes.reinvocation ??= new Reinvocation();
    const again = attributes.reinvocation.of('MutatingAdmissionWebhook');
    again.begin(attributes.object);
    const round = attributes.reinvocation.isAgain ? 1 : 0;
    for (const [index, hook] of this.#current().entries()) {
      if (!again.isTurnOf(hook.key)) continue;
      const shown = await this.#wants(hook, attributes);
      if (!shown) continue;
      const isChanged = await this.#mutateBy(hook, attributes, {
        shown,
        place: `round_${round}_index_${index}`,
      });
      if (isChanged) again.changed();
      if ((hook.webhook as MutatingWebhook).reinvocationPolicy === 'IfNeeded') again.add(hook.key);
    }
    again.end(attributes.object);
  }

  /** Concurrently; the first refusal in the order of configurations is the answer. */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const wanted: { hook: Hook; shown: ServedResource }[] = [];
    for (const hook of this.#current()) {
      const shown = await this.#wants(hook, attributes);
      if (shown) wanted.push({ hook, shown });
    }
    const outcomes = await Promise.allSettled(
      wanted.map(({ hook, shown }, index) =>
        this.#validateBy(hook, attributes, { shown, place: `round_0_index_${index}` }),
      ),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #validateBy(hook: Hook, attributes: AdmissionAttributes, { shown, place }: Turn): Promise<void> {
    await this.#judged(hook, attributes, place, () => this.#ask(hook, attributes, shown));
  }

  /** Whether the object is another now. */
  async #mutateBy(hook: Hook, attributes: AdmissionAttributes, { shown, place }: Turn): Promise<boolean> {
    const { configuration, webhook } = hook;
    const before = attributes.object;
    let mutated = false;
    const note = (kind: string, more: object) =>
      this.#annotate(attributes, `${kind}.webhook.admission.k8s.io/${place}`, {
        configuration,
        webhook: webhook.name,
        ...more,
      });
    try {
      await this.#judged(hook, attributes, place, async () => {
        const { response, request } = await this.#ask(hook, attributes, shown);
        const patch = readPatch(response);
        if (patch.length === 0) return;
        if (!attributes.object) throw internalError(unchangeable(webhook.name));
        await this.#apply(patch, request.object!, attributes, shown);
        note('patch', { patch, patchType: response.patchType });
      });
      mutated = attributes.object !== before && !equalJson(before, attributes.object);
      return mutated;
    } finally {
      note('mutation', { mutated });
    }
  }

  async #apply(
    patch: readonly JsonPatchOperation[],
    object: KubeObject,
    attributes: AdmissionAttributes,
    shown: ServedResource,
  ): Promise<void> {
    try {
      const patched = applyJsonPatch(asJsonObject(object), patch) as Record<string, unknown>;
      attributes.object = await objectAfter(attributes, shown, patched);
    } catch (error) {
      if (error instanceof JsonPatchError) throw internalError(error.message);
      // The client has done nothing wrong.
      if (error instanceof StatusError && error.code === 400) throw internalError(withoutKind(error.message));
      throw error;
    }
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

  /** @throws WebhookCallError, Denial, or a StatusError when it must not be asked */
  async #ask(
    { webhook }: Hook,
    attributes: AdmissionAttributes,
    shown: ServedResource,
  ): Promise<{ response: AdmissionResponse; request: AdmissionRequest }> {
    const { dryRun, waited, deadlineMs } = attributes.request;
    if (dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
      throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
    }
    const request = await admissionRequestOf(attributes, shown, this.#options.random.uuid());
    const response = await this.#call(webhook, request, { waited, deadlineMs });
    for (const warning of response.warnings ?? [])
      if (isHeaderText(warning)) attributes.request.warnings.push(warning);
    for (const [key, value] of Object.entries(response.auditAnnotations ?? {}))
      this.#annotate(attributes, `${webhook.name}/${key}`, value);
    if (!response.allowed) throw new Denial(webhook.name, response.status);
    return { response, request };
  }

  async #call(
    webhook: Hook['webhook'],
    request: AdmissionRequest,
    {
      waited = { ms: 0 },
      deadlineMs = Number.POSITIVE_INFINITY,
    }: Pick<WriteRequest, 'waited' | 'deadlineMs'>,
  ): Promise<AdmissionResponse> {
    const { clock, client } = this.#options;
    const version =
      webhook.admissionReviewVersions.find((candidate) => reviewVersions.includes(candidate)) ?? 'v1';
    const apiVersion = `admission.k8s.io/${version}`;
    const startMs = clock.monotonic();
    const ownMs = (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000;
    const timeoutMs = Math.ceil(Math.max(0, Math.min(ownMs, deadlineMs - startMs)));
    try {
      const body = { kind: 'AdmissionReview', apiVersion, request };
      const answer = await client.post(webhook.clientConfig, body, timeoutMs);
      const isMutating = this.#type === MutatingWebhookConfiguration;
      return readResponse(answer, { apiVersion, uid: request.uid, isMutating });
    } catch (error) {
      // Nobody waits for what the failure policy would make of it.
      if (clock.monotonic() >= deadlineMs) throw requestTimeout(lateMessage, { cause: error });
      throw error;
    } finally {
      waited.ms += clock.monotonic() - startMs;
    }
  }

  /** What comes of asking one webhook, counted, and as its failure policy has it. */
  async #judged(
    { webhook }: Hook,
    attributes: AdmissionAttributes,
    place: string,
    work: () => Promise<unknown>,
  ): Promise<void> {
    const { clock, metrics, logger } = this.#options;
    const { name, failurePolicy } = webhook;
    const type: WebhookType = this.#type === MutatingWebhookConfiguration ? 'admit' : 'validating';
    const call = { name, type, operation: attributes.operation };
    const startMs = clock.monotonic();
    const count = (code: number, error?: WebhookError) => {
      const seconds = (clock.monotonic() - startMs) / 1000;
      metrics.webhook({ ...call, seconds, code, rejected: error !== undefined });
      if (error) metrics.webhookRejected(call, error, code);
    };
    try {
      await work();
      count(200);
    } catch (error) {
      if (error instanceof Denial) {
        count(error.answer.code, 'no_error');
        throw error.answer;
      }
      if (!(error instanceof WebhookCallError)) {
        count(0, 'apiserver_internal_error');
        throw error;
      }
      if (failurePolicy !== 'Ignore') {
        count(error.code, 'calling_webhook_error');
        const message = `failed calling webhook ${JSON.stringify(name)}: ${error.message}`;
        throw internalError(message, { cause: error });
      }
      count(error.code);
      metrics.webhookFailedOpen(name, type);
      logger.warn('a webhook failed and is ignored, as it asks for', { webhook: name, error });
      const kind = type === 'admit' ? 'mutation' : 'validating';
      this.#annotate(attributes, `failed-open.${kind}.webhook.admission.k8s.io/${place}`, name);
    }
  }

  /** For the audit log, which keeps what was said first, and takes no keys but those of annotations with a prefix. */
  #annotate({ request }: AdmissionAttributes, key: string, value: string | object): void {
    if (!request.annotations || Object.hasOwn(request.annotations, key)) return;
    if (!key.includes('/') || qualifiedNameProblems(key).length > 0) return;
    request.annotations[key] = typeof value === 'string' ? value : JSON.stringify(value);
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
      configuration,
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

function unchangeable(name: string): string {
  return `admission webhook ${JSON.stringify(name)} attempted to modify the object, which is not supported for this operation`;
}

/**
 * Upstream's words around the webhook's message; the code is at least that of a client error, and at most one that HTTP
 * can carry.
 */
class Denial extends Error {
  readonly answer: StatusError;

  constructor(name: string, status: AdmissionResponse['status']) {
    const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
    const explanation = status?.message || status?.reason;
    super(explanation ? `${denied}: ${explanation}` : `${denied} without explanation`);
    this.name = 'Denial';
    const { details } = status ?? {};
    this.answer = new StatusError(denialCode(status), status?.reason ?? '', this.message, { details });
  }
}

const statusCodeMax = 599;

function denialCode(status: AdmissionResponse['status']): number {
  const code = status?.code ?? 400;
  return code > statusCodeMax ? 500 : Math.max(400, code);
}
