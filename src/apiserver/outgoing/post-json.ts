/** A POST of JSON to a server that is asked for its opinion: webhooks of admission and of authorization. */
import type { ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { http } from '../../base/system/node-http.ts';
import { connectVerified, type VerifiedOptions } from './verified-tls.ts';

/** An answer longer than this is no answer. */
const answerBytesMax = 4 * 1024 * 1024;
const shownCharsMax = 2_000;

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
  /** An existing connection, in place of the agent's. */
  socket?: Duplex | undefined;
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

export interface PostAnswer {
  status: number;
  text: string;
}

/** Nothing came within the time. */
export class DeadlineError extends Error {
  constructor(options?: ErrorOptions) {
    super('context deadline exceeded', options);
    this.name = 'DeadlineError';
  }
}

/** A successful answer. @throws AnswerStatusError, DeadlineError, or the error of the connection */
export function postJson(url: URL, options: PostOptions): Promise<PostAnswer> {
  const { body, headers, signal, tls = {}, agent, socket } = options;
  const { ca, cert, key } = tls;
  // A name for the certificate; an address is not one.
  const servername = tls.serverName ?? (isIP(url.hostname) ? '' : url.hostname);
  const identity = {
    ca,
    cert,
    key,
    servername,
    rejectUnauthorized: !tls.insecureSkipTlsVerify,
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'http:' ? http.request : httpsRequest;
    const request = send(
      url,
      {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
        signal,
        ...identity,
        ...(socket ? { createConnection: overSocket({ socket, ...identity }, signal) } : { agent }),
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
          const status = response.statusCode ?? 0;
          if (status >= 200 && status <= 206) resolve({ status, text });
          else reject(new AnswerStatusError(status, text, response.headers['content-type']));
        });
      },
    );
    request.on('error', (error) => reject(signal.aborted ? new DeadlineError({ cause: error }) : error));
    request.end(body);
  });
}

/** For a request: makes its connection when it is asked to. */
function overSocket(options: VerifiedOptions, signal: AbortSignal): ClientRequestArgs['createConnection'] {
  return (_request, made) => {
    connectVerified(options, signal).then(
      (secure) => made(null, secure),
      (error: Error) => made(error, undefined as never),
    );
    return undefined;
  };
}
