/** Calls webhooks over HTTPS: at a URL, or at a Service of the cluster through whoever can reach it. */

import { Agent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import type { WebhookClientConfig } from '../../api/types/admissionregistration-v1.gen.ts';
import { parseExactJson } from '../../base/exact-json.ts';

/** An answer longer than this is no answer. */
const answerBytesMax = 4 * 1024 * 1024;
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
    try {
      return parseExactJson(await this.#exchange(config, url, JSON.stringify(body), timeoutMs));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new WebhookCallError(`failed to call webhook: Post ${JSON.stringify(url.href)}: ${why}`, {
        cause: error,
      });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(config: WebhookClientConfig, url: URL, body: string, timeoutMs: number): Promise<string> {
    const signal = AbortSignal.timeout(timeoutMs);
    const ca = config.caBundle ? Buffer.from(config.caBundle, 'base64') : undefined;
    const { service } = config;
    // A name for the certificate; an address is not one.
    const servername = isIP(url.hostname) ? '' : url.hostname;
    const socket = service
      ? await this.#dialService(service.namespace, service.name, service.port ?? defaultServicePort)
      : undefined;
    return await new Promise((resolve, reject) => {
      const request = httpsRequest(
        url,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
          signal,
          ca,
          servername,
          ...(socket
            ? { createConnection: () => tlsConnect({ socket, ca, servername }) }
            : { agent: this.#agent }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > answerBytesMax)
              request.destroy(new Error(`the answer is longer than ${answerBytesMax} bytes`));
            chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            if (response.statusCode === 200) resolve(text);
            else
              reject(
                new Error(
                  `an error on the server (${JSON.stringify(text.slice(0, 2_000))}) has prevented the request from succeeding`,
                ),
              );
          });
        },
      );
      request.on('error', (error) => reject(signal.aborted ? new Error('context deadline exceeded') : error));
      request.end(body);
    });
  }
}

/** A Service's webhook is asked under its DNS name, for which its certificate must be good. */
function urlOf({ url, service }: WebhookClientConfig): URL {
  if (url) return new URL(url);
  if (!service) throw new WebhookCallError('webhook has neither a url nor a service');
  const { namespace, name, port = defaultServicePort, path = '/' } = service;
  return new URL(`https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`);
}
