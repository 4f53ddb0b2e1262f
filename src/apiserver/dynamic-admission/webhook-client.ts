/** Calls webhooks over HTTPS: at a URL, or at a Service of the cluster through whoever can reach it. */
import { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { WebhookClientConfig } from '../../api/types/admissionregistration-v1.gen.ts';
import { messageOf } from '../../base/error-message.ts';
import { parseExactJson } from '../../base/exact-json.ts';
import { postJson } from '../http/post-json.ts';

const defaultServicePort = 443;

/** A connection to a port of a Service, made from where its endpoints can be reached. */
export type DialService = (namespace: string, name: string, port: number) => Promise<Duplex>;

export class WebhookCallError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WebhookCallError';
  }
}

export class WebhookClient {
  readonly #dialService: DialService;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32, timeout: 30_000 });

  constructor(dialService: DialService) {
    this.#dialService = dialService;
  }

  /** @throws WebhookCallError when there is no proper answer within the time. */
  async post(config: WebhookClientConfig, body: unknown, timeoutMs: number): Promise<unknown> {
    const url = urlOf(config);
    url.searchParams.set('timeout', `${Math.round(timeoutMs / 1000)}s`);
    const { service, caBundle } = config;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const socket = service
        ? await this.#dialService(service.namespace, service.name, service.port ?? defaultServicePort)
        : undefined;
      const text = await postJson(url, {
        body: JSON.stringify(body),
        signal,
        tls: { ca: caBundle ? Buffer.from(caBundle, 'base64') : undefined },
        agent: this.#agent,
        socket,
      });
      return parseExactJson(text);
    } catch (error) {
      const why = messageOf(error);
      throw new WebhookCallError(`failed to call webhook: Post ${JSON.stringify(url.href)}: ${why}`, {
        cause: error,
      });
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A Service's webhook is asked under its DNS name, for which its certificate must be good. */
function urlOf({ url, service }: WebhookClientConfig): URL {
  if (url) return new URL(url);
  if (!service) throw new WebhookCallError('webhook has neither a url nor a service');
  const { namespace, name, port = defaultServicePort, path = '/' } = service;
  return new URL(`https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`);
}
