/** Calls webhooks over HTTPS: at a URL, or at a Service through something that can reach the cluster network. */
import { unreadableType } from '../../api/schema/body/body-kind.ts';
import { JsonError, parseJson } from '../../api/schema/body/json.ts';
import { parseYaml, YamlError } from '../../api/schema/body/yaml.ts';
import { StatusError } from '../../api/status.ts';
import type { ServiceReference, WebhookClientConfig } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Counter, MetricsRegistry } from '../../base/metrics.ts';
import { dialReason } from '../../base/text/dial-reason.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { parseExactJson } from '../../base/text/exact-json.ts';
import { connectInTime } from '../outgoing/connect-in-time.ts';
import type { DialService } from '../outgoing/dial-service.ts';
import {
  AnswerStatusError,
  BrokenAnswerError,
  DeadlineError,
  type PostAnswer,
  postJson,
} from '../outgoing/post-json.ts';
import { legacyNameCode, sha1Code, VerifiedAgent } from '../outgoing/verified-tls.ts';

const defaultServicePort = 443;
const headers = { accept: 'application/json, */*', 'user-agent': 'kube-apiserver-admission' };

export class WebhookCallError extends Error {
  /** Of the answer; 503 when there was none, or none of a webhook's. */
  readonly code: number;

  constructor(message: string, { code = 503, ...options }: ErrorOptions & { code?: number } = {}) {
    super(message, options);
    this.name = 'WebhookCallError';
    this.code = code;
  }
}

export class WebhookClient {
  readonly #dialService: DialService;
  readonly #agent = new VerifiedAgent({ keepAlive: true, maxSockets: 32, timeout: 30_000 });

  readonly #missingNames: Counter;
  readonly #insecureSignatures: Counter;

  constructor(dialService: DialService, metrics: MetricsRegistry) {
    this.#dialService = dialService;
    this.#missingNames = metrics.counter(
      'apiserver_webhooks_x509_missing_san_total',
      'Webhooks that could not be called as their certificates have no alternative names.',
    );
    this.#insecureSignatures = metrics.counter(
      'apiserver_webhooks_x509_insecure_sha1_total',
      'Webhooks that could not be called as their certificates are signed with SHA-1.',
    );
    for (const counter of [this.#missingNames, this.#insecureSignatures]) counter.add(0);
  }

  /** @throws WebhookCallError when there is no proper answer within the time. */
  async post(config: WebhookClientConfig, body: unknown, timeoutMs: number): Promise<unknown> {
    const url = urlOf(config);
    url.searchParams.set('timeout', `${Math.ceil(timeoutMs / 1000)}s`);
    const { service, caBundle } = config;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await postJson(url, {
        body: JSON.stringify(body),
        headers,
        signal,
        tls: {
          ca: caBundle ? Buffer.from(caBundle, 'base64') : undefined,
          serverName: service && url.hostname,
        },
        agent: this.#agent,
        connect: service && (({ host }) => (host === url.host ? this.#dial(service, signal) : undefined)),
      });
      return readAnswer(answer);
    } catch (error) {
      const { code: problem } = error as NodeJS.ErrnoException;
      if (problem === legacyNameCode) this.#missingNames.add(1);
      if (problem === sha1Code) this.#insecureSignatures.add(1);
      const why = whyFailed(signal.aborted ? new DeadlineError() : error, url);
      const code = error instanceof AnswerStatusError ? { code: error.status } : {};
      throw new WebhookCallError(`failed to call webhook: ${why}`, { cause: error, ...code });
    }
  }

  #dial({ namespace, name, port = defaultServicePort }: ServiceReference, signal: AbortSignal) {
    return connectInTime(this.#dialService(namespace, name, port), signal);
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The answer is not that of a webhook. */
class NoAnswerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoAnswerError';
  }
}

/** JSON or YAML, whatever it is called. @throws NoAnswerError */
function readAnswer({ status, text, headers }: PostAnswer): unknown {
  const { 'content-type': type = 'application/json' } = headers;
  if (text === '')
    throw new NoAnswerError(`0-length response with status code: ${status} and content type: ${type}`);
  const answer = parsed(text) ?? {};
  const unreadable = unreadableType(answer);
  if (unreadable) throw new NoAnswerError(unreadable);
  return answer;
}

function parsed(text: string): unknown {
  try {
    return (/^\s*\{/.test(text) ? parseJson(text) : parseYaml(text)).value;
  } catch (error) {
    if (error instanceof JsonError)
      throw new NoAnswerError(`couldn't get version/kind; json parse error: ${error.message}`);
    if (error instanceof YamlError) throw new NoAnswerError(error.message);
    throw error;
  }
}

/** In the words of upstream's client. */
function whyFailed(error: unknown, url: URL): string {
  if (error instanceof NoAnswerError || error instanceof BrokenAnswerError) return error.message;
  if (error instanceof AnswerStatusError) return whyRefused(error);
  return `Post ${JSON.stringify(shownUrl(url))}: ${whyUnreached(error, url)}`;
}

function whyRefused({ status, text, isPlain }: AnswerStatusError): string {
  const message = messageOfStatus(text);
  if (message) return message;
  const shown = isPlain ? text.slice(0, shownAnswerMax).trim() : 'unknown';
  const known = refusals.get(status)?.(shown);
  if (known !== undefined) return known;
  if (status >= 500)
    return `an error on the server (${JSON.stringify(shown)}) has prevented the request from succeeding`;
  return `the server responded with the status code ${status} but did not return more information`;
}

/** Characters of an answer that are shown. */
const shownAnswerMax = 2048;

/** What upstream's client makes of an answer of a server that is not Kubernetes, by its code. */
const refusals = new Map<number, (shown: string) => string>([
  [400, () => 'the server rejected our request for an unknown reason'],
  [401, () => 'the server has asked for the client to provide credentials'],
  [403, (shown) => shown],
  [404, () => 'the server could not find the requested resource'],
  [405, () => 'the server does not allow this method on the requested resource'],
  [
    406,
    (shown) =>
      shown && shown !== 'unknown'
        ? shown
        : 'the server was unable to respond with a content type that the client supports',
  ],
  [409, () => 'the server reported a conflict'],
  [415, (shown) => shown],
  [422, () => 'the server rejected our request due to an error in our request'],
  [429, () => 'the server has received too many requests and has asked us to try again later'],
  [503, () => 'the server is currently unable to handle the request'],
  [
    504,
    () =>
      'the server was unable to return a response in the time allotted, but may still be processing the request',
  ],
]);

/** Of a server that answers as Kubernetes does. */
function messageOfStatus(text: string): string | undefined {
  try {
    const { kind, message } = (parseExactJson(text) ?? {}) as { kind?: string; message?: string };
    return kind === 'Status' && typeof message === 'string' ? message : undefined;
  } catch {
    // Not JSON, so not a Status: the caller describes the answer by its code.
    return undefined;
  }
}

/** As it was asked for, with the port: a Service's is always named. */
function shownUrl(url: URL): string {
  if (!url.hostname.endsWith('.svc') || url.port) return url.href;
  return url.href.replace(url.host, `${url.host}:${defaultServicePort}`);
}

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

function whyUnreached(error: unknown, url: URL): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const port = url.port || `${defaultServicePort}`;
  if (untrusted.has(code))
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  if (code === 'CERT_HAS_EXPIRED')
    return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === 'ECONNRESET' && message === 'socket hang up') return 'EOF';
  if (dialFailures.has(code))
    return `dial tcp ${url.hostname}:${port}: ${dialReason(error as NodeJS.ErrnoException)}`;
  return error instanceof StatusError && error.code === 404
    ? message.replace(/^services /, 'service ')
    : messageOf(error);
}

const dialFailures = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/** A Service's webhook is asked under its DNS name, for which its certificate must be good. */
function urlOf({ url, service }: WebhookClientConfig): URL {
  if (url) return new URL(url);
  if (!service) throw new WebhookCallError('webhook has neither a url nor a service');
  const { namespace, name, port = defaultServicePort, path = '/' } = service;
  return new URL(`https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`);
}
