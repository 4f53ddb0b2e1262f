/** Custom resources between their versions, as the webhook of their definition converts them. */
import type { KubeObject } from '../../api/meta.ts';
import { cloneJson } from '../../api/schema/json-value.ts';
import { StatusError } from '../../api/status.ts';
import type { WebhookConversion as WebhookConfig } from '../../api/types/apiextensions-v1.gen.ts';
import type { Random } from '../../base/random.ts';
import type { WebhookClient } from '../dynamic-admission/webhook-client.ts';
import type { VersionConverter } from '../registry/conversion/version-converter.ts';
import { type ConversionAnswer, convertedObjects } from './conversion-answer.ts';

export interface ConversionServices {
  webhooks: WebhookClient;
  random: Random;
}

/** Versions of ConversionReview that this server speaks. */
const reviewVersions: readonly string[] = ['v1', 'v1beta1'];
const timeoutMs = 30_000;
/** Objects that one review carries. */
const batchMax = 500;
/** Recent conversions, since a write needs the same ones several times. */
const rememberedMax = 256;

export class WebhookConverter implements VersionConverter {
  readonly #config: WebhookConfig;
  readonly #services: ConversionServices;
  /** By the original object and the wanted version; oldest first. */
  readonly #known = new Map<string, Promise<KubeObject>>();
  readonly #results = new WeakMap<Promise<KubeObject>, KubeObject>();

  constructor(config: WebhookConfig, services: ConversionServices) {
    this.#config = config;
    this.#services = services;
  }

  known(object: KubeObject, apiVersion: string): KubeObject | undefined {
    if (object.apiVersion === apiVersion) return cloneJson(object);
    const promise = this.#known.get(keyOf(object, apiVersion));
    const converted = promise && this.#results.get(promise);
    return converted && withMetadata(converted, object);
  }

  async convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
    const promises: Promise<KubeObject>[] = [];
    const missing: { object: KubeObject; key: string; at: number }[] = [];
    for (const [at, object] of objects.entries()) {
      if (object.apiVersion === apiVersion) {
        promises[at] = Promise.resolve(object);
        continue;
      }
      const key = keyOf(object, apiVersion);
      const known = this.#known.get(key);
      if (known) promises[at] = known;
      else missing.push({ object, key, at });
    }
    for (let start = 0; start < missing.length; start += batchMax) {
      const batch = missing.slice(start, start + batchMax);
      const answer = this.#ask(
        batch.map(({ object }) => object),
        apiVersion,
      );
      for (const [index, { key, at }] of batch.entries()) {
        const promise = answer.then((converted) => converted[index]!);
        promises[at] = promise;
        this.#remember(key, promise);
      }
    }
    const converted = await Promise.all(promises);
    return converted.map((result, at) => withMetadata(result, objects[at]!));
  }

  /** A failure is not cached: the next caller tries again. */
  #remember(key: string, promise: Promise<KubeObject>): void {
    this.#known.set(key, promise);
    promise.then(
      (converted) => {
        this.#results.set(promise, converted);
        for (const oldest of this.#known.keys()) {
          if (this.#known.size <= rememberedMax) break;
          this.#known.delete(oldest);
        }
      },
      () => this.#known.delete(key),
    );
  }

  /** @throws StatusError 500 in upstream's words */
  async #ask(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
    const version =
      this.#config.conversionReviewVersions.find((candidate) => reviewVersions.includes(candidate)) ?? 'v1';
    const uid = this.#services.random.uuid();
    const review = {
      kind: 'ConversionReview',
      apiVersion: `apiextensions.k8s.io/${version}`,
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    const first = objects[0]!;
    const subject = `conversion webhook for ${first.apiVersion}, Kind=${first.kind}`;
    let answer: ConversionAnswer;
    try {
      const config = this.#config.clientConfig ?? {};
      answer = ((await this.#services.webhooks.post(config, review, timeoutMs)) ?? {}) as ConversionAnswer;
    } catch (error) {
      const why = (error as Error).message.replace(/^failed to call webhook: /, '');
      throw failure(`${subject} failed: ${why}`, error);
    }
    const outcome = convertedObjects(answer, { uid, reviewVersion: version, objects, apiVersion });
    if ('error' in outcome) throw failure(`${subject} ${outcome.error}`);
    return outcome.objects;
  }
}

function failure(message: string, cause?: unknown): StatusError {
  return new StatusError(500, '', message, { cause });
}

/** Of the metadata a webhook may change only labels and annotations; the rest stays as it was. */
function withMetadata(converted: KubeObject, original: KubeObject): KubeObject {
  const { labels: _labels, annotations: _annotations, ...kept } = original.metadata;
  const { labels, annotations } = converted.metadata;
  const metadata = { ...kept, ...(labels && { labels }), ...(annotations && { annotations }) };
  return cloneJson({ ...converted, metadata });
}

/** Managed fields play no part in a conversion, nor does what a write adds: its answer is already converted. */
function keyOf(object: KubeObject, apiVersion: string): string {
  const {
    managedFields: _fields,
    resourceVersion: _version,
    generation: _generation,
    uid: _uid,
    creationTimestamp: _created,
    ...metadata
  } = object.metadata;
  return `${apiVersion} ${JSON.stringify({ ...object, metadata })}`;
}
