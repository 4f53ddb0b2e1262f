/** Plain HTTPS requests of the parity runner: nothing of the project's own client, so that only the server is tried. */
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

export interface ClientOptions {
  port: number;
  ca: string;
  /** Of the administrator, for requests that carry no credentials of their own. */
  token: string;
}

export interface RawRequest {
  method: string;
  path: string;
  /** `authorization` of `none`: no credentials; any other: instead of the administrator's token. */
  headers?: Record<string, string>;
  body?: string | undefined;
}

export class RawClient {
  readonly #options: ClientOptions;
  readonly #agent: Agent;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, ca: options.ca });
  }

  async send(request: RawRequest, signal?: AbortSignal): Promise<RawAnswer> {
    const message = await this.#open(request, signal);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of message) chunks.push(chunk as Buffer);
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
    return {
      status: message.statusCode ?? 0,
      headers: message.headers,
      text: Buffer.concat(chunks).toString(),
    };
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(
    { method, path, headers = {}, body }: RawRequest,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const { authorization = `Bearer ${this.#options.token}`, ...rest } = headers;
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: this.#options.port,
          method,
          path: path.replace(/[^\x21-\x7e]/g, (letter) => encodeURIComponent(letter)),
          agent: this.#agent,
          headers: {
            accept: 'application/json',
            ...rest,
            ...(authorization !== 'none' && { authorization }),
            ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
          },
          ...(signal && { signal }),
        },
        resolve,
      );
      request.on('error', reject);
      request.end(body);
    });
  }
}
