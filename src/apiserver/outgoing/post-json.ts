/**
 * A POST of JSON to a server that is asked for its opinion: webhooks of admission, of conversion and of authorization. As
 * upstream's client does, it follows redirects, and asks again when it is told to.
 */
import type { ClientRequestArgs, Agent as HttpAgent, IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip as gunzipWithCallback } from 'node:zlib';
import { http } from '../../base/system/node-http.ts';
import { hostOf } from '../../base/text/host-port.ts';
import { connectVerified, VerifiedAgent, type VerifiedOptions } from './verified-tls.ts';

const gunzip = promisify(gunzipWithCallback);

/** An answer longer than this is no answer. */
const answerBytesMax = 4 * 1024 * 1024;
const shownCharsMax = 2_000;
/** Requests that one question may take, by redirects. */
const stepsMax = 10;
/** How often a server may tell to ask again later. */
const retriesMax = 10;

export interface PostOptions {
  body: string;
  headers?: Record<string, string>;
  /** Ends the wait: of {@link AbortSignal.timeout}. */
  signal: AbortSignal;
  tls?: {
    /** PEM; the system's own authorities when absent. */
    ca?: string | Buffer | undefined;
    cert?: string | Buffer | undefined;
    key?: string | Buffer | undefined;
    /** Name to check the certificate against, when it is not the host. */
    serverName?: string | undefined;
    insecureSkipTlsVerify?: boolean | undefined;
  };
  /** Keeps connections; of the URL's protocol, a {@link VerifiedAgent} for https. */
  agent: HttpAgent | HttpsAgent;
  /** Connects in place of the agent; undefined: the agent is to do it. */
  connect?: ((url: URL) => Promise<Duplex> | undefined) | undefined;
}

/** The server answered, but not with what was asked for. */
export class AnswerStatusError extends Error {
  readonly status: number;
  /** What the server sent. */
  readonly text: string;
  /** Whether it is meant to be read by people: as text, or as nothing that is said. */
  readonly isPlain: boolean;
  constructor(status: number, text: string, contentType = '') {
    super(
      `an error on the server (${JSON.stringify(text.slice(0, shownCharsMax))}) has prevented the request from succeeding`,
    );
    this.name = 'AnswerStatusError';
    this.status = status;
    this.text = text;
    this.isPlain = contentType === '' || /^\s*text\//i.test(contentType);
  }
}

/** An answer began and cannot be read to its end. */
export class BrokenAnswerError extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(`unexpected error when reading response body. Please retry. Original error: ${why}`, options);
    this.name = 'BrokenAnswerError';
  }
}

export interface PostAnswer {
  status: number;
  text: string;
  headers: IncomingHttpHeaders;
}

/** Nothing came within the time. */
export class DeadlineError extends Error {
  constructor(options?: ErrorOptions) {
    super('context deadline exceeded', options);
    this.name = 'DeadlineError';
  }
}

/** A successful answer. @throws AnswerStatusError, DeadlineError, or the error of the connection */
export async function postJson(url: URL, options: PostOptions): Promise<PostAnswer> {
  for (let retries = 0; ; retries++) {
    const answer = await answerOf(url, options);
    const waitMs = retries < retriesMax ? waitMsOf(answer) : undefined;
    if (waitMs === undefined) return accepted(answer);
    await sleepUntil(waitMs, options.signal);
  }
}

function accepted(answer: PostAnswer): PostAnswer {
  const { status, text, headers } = answer;
  if (status >= 200 && status <= 206) return answer;
  throw new AnswerStatusError(status, text, headers['content-type']);
}

/** For how long a server that cannot answer now wants to be left alone; undefined when it does not say. */
function waitMsOf({ status, headers }: PostAnswer): number | undefined {
  const { 'retry-after': seconds = '' } = headers;
  if (status !== 429 && status < 500) return undefined;
  return /^[+-]?\d+$/.test(seconds) ? Math.max(0, Number(seconds) * 1000) : undefined;
}

async function sleepUntil(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(ms, longestSleepMs), undefined, { signal });
  } catch (cause) {
    throw new DeadlineError({ cause });
  }
}

/** Of a timer; what waits longer has come to its deadline before. */
const longestSleepMs = 2 ** 31 - 1;

/** One of the requests of which a question consists. */
interface Step {
  url: URL;
  method: 'POST' | 'GET';
}

/** The answer at the end of all redirects. */
async function answerOf(url: URL, options: PostOptions): Promise<PostAnswer> {
  let step: Step = { url, method: 'POST' };
  for (let steps = 0; steps < stepsMax; steps++) {
    const answer = await send(step, url, options);
    const next = redirected(step, answer);
    if (!next) return answer;
    step = next;
  }
  throw new Error(`stopped after ${stepsMax} redirects`);
}

/** Only the newer codes have the question put again. */
const keepsMethod = new Map([
  [301, false],
  [302, false],
  [303, false],
  [307, true],
  [308, true],
]);

function redirected({ url, method }: Step, { status, headers }: PostAnswer): Step | undefined {
  const keeps = keepsMethod.get(status);
  const { location } = headers;
  if (keeps === undefined || !location) return undefined;
  const target = URL.parse(location, url.href);
  if (!target) throw new Error(`failed to parse Location header ${JSON.stringify(location)}`);
  if (target.protocol !== 'http:' && target.protocol !== 'https:')
    throw new Error(`unsupported protocol scheme ${JSON.stringify(target.protocol.slice(0, -1))}`);
  return { url: target, method: keeps ? method : 'GET' };
}

function send({ url, method }: Step, first: URL, options: PostOptions): Promise<PostAnswer> {
  const { body, headers, signal, tls = {}, agent, connect } = options;
  const { ca, cert, key } = tls;
  // A name for the certificate; an address is not one.
  const servername = tls.serverName ?? (isIP(hostOf(url)) ? '' : url.hostname);
  const identity = {
    ca,
    cert,
    key,
    servername,
    rejectUnauthorized: !tls.insecureSkipTlsVerify,
  };
  const connecting = connect?.(url);
  const way = connecting
    ? { createConnection: overSocket(connecting, identity, signal) }
    : { agent: agentFor(url, agent) };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'http:' ? http.request : httpsRequest)(
      url,
      {
        method,
        headers: {
          'accept-encoding': 'gzip',
          ...headersFor(url, first, headers),
          ...(method === 'POST' && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
        signal,
        ...identity,
        ...way,
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
        response.on('error', (error) =>
          reject(response.complete ? error : new BrokenAnswerError('unexpected EOF')),
        );
        response.on('end', () => {
          unpacked(Buffer.concat(chunks), response.headers).then(
            (text) => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
            reject,
          );
        });
      },
    );
    request.on('error', (error) => reject(signal.aborted ? new DeadlineError({ cause: error }) : error));
    request.end(method === 'POST' ? body : undefined);
  });
}

async function unpacked(
  bytes: Buffer,
  { 'content-encoding': encoding }: IncomingHttpHeaders,
): Promise<string> {
  if (encoding !== 'gzip' || bytes.length === 0) return bytes.toString('utf8');
  try {
    return (await gunzip(bytes, { maxOutputLength: answerBytesMax })).toString('utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'Z_BUF_ERROR' ? 'unexpected EOF' : 'gzip: invalid header';
    throw new BrokenAnswerError(why, { cause });
  }
}

/** A redirect may lead to another protocol. */
function agentFor(url: URL, agent: HttpAgent | HttpsAgent): HttpAgent | HttpsAgent {
  const isSecure = url.protocol === 'https:';
  if (agent instanceof HttpsAgent === isSecure) return agent;
  return isSecure ? new VerifiedAgent() : new http.Agent();
}

/** What identifies the caller is for the host that was asked first, and those below its name. */
function headersFor(
  { hostname }: URL,
  first: URL,
  headers: Record<string, string> = {},
): Record<string, string> {
  if (hostname === first.hostname || hostname.endsWith(`.${first.hostname}`)) return headers;
  const { authorization: _, ...others } = headers;
  return others;
}

/** For a request: makes its connection when it is asked to. */
function overSocket(
  connecting: Promise<Duplex>,
  options: VerifiedOptions,
  signal: AbortSignal,
): ClientRequestArgs['createConnection'] {
  return (_request, made) => {
    connecting
      .then((socket) => connectVerified({ ...options, socket }, signal))
      .then(
        (secure) => made(null, secure),
        (error: Error) => made(error, undefined as never),
      );
    return undefined;
  };
}
