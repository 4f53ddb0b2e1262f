/** What this server itself asks of an aggregated server: what it serves, and what it documents. */
import type { APIService } from '../../api/resources.gen.ts';
import { exchange } from '../outgoing/http-over.ts';
import type { UserInfo } from '../request.ts';
import { type BackendOptions, connectBackend, identityHeaders } from './backend.ts';

/** Of one answer. */
const answerBytesMax = 16 * 1024 * 1024;

export interface BackendQuestion {
  path: string;
  user: UserInfo;
  headers?: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

export interface BackendAnswer {
  status: number | undefined;
  etag: string | undefined;
  text: string;
}

/** @throws Error saying why there is no answer */
export async function askBackend(
  service: APIService,
  options: BackendOptions,
  { path, user, headers, signal }: BackendQuestion,
): Promise<BackendAnswer> {
  const socket = await connectBackend(service, options, signal);
  const answer = await exchange(socket, {
    method: 'GET',
    path,
    headers: { host: 'aggregated', accept: 'application/json', ...identityHeaders(user), ...headers },
    signal,
  });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return {
    status: answer.statusCode,
    etag: answer.headers.etag,
    text: Buffer.concat(chunks).toString('utf8'),
  };
}
