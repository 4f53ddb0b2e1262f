/** Probes over the real network, with outcomes in the words of Go's libraries, which users of Kubernetes know. */

import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { Client, credentials, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { http } from '../../base/system/node-http.ts';
import { dialReason } from '../../base/text/dial-reason.ts';
import { goQuote } from '../../base/text/go-quote.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import type { DialTarget, HttpAnswer, HttpCheck, ProbeDialer } from './dialer.ts';

const bodyMaxBytes = 10 * 1024;
/** After which a further redirect is refused; Go counts the first request among them. */
const requestsMax = 10;
const userAgent = 'kube-probe/1.36';

export const networkDialer: ProbeDialer = {
  http: (check) => followRedirects(check, requestsMax - 1, performance.now() + check.timeoutMs),
  tcp: (target) => checkTcp(target),
  grpc: (check) => checkGrpc(check),
};

/** All requests together have the time of one. */
async function followRedirects(check: HttpCheck, left: number, deadlineMs: number): Promise<HttpAnswer> {
  const answer = await fetchOnce({ ...check, timeoutMs: Math.max(0, deadlineMs - performance.now()) });
  if ('error' in answer || !answer.location) return answer;
  if (!URL.canParse(answer.location, urlOf(check)))
    return {
      error: `Get "${urlOf(check)}": failed to parse Location header ${goQuote(answer.location)}`,
    };
  const target = new URL(answer.location, urlOf(check));
  // A redirect to another host is not followed: it is itself the answer.
  if (target.hostname !== check.host.replace(/[[\]]/g, ''))
    return { status: answer.status, body: answer.body };
  if (left === 0) return { error: `Get ${goQuote(answer.location)}: stopped after ${requestsMax} redirects` };
  const scheme = target.protocol === 'https:' ? 'https' : 'http';
  return followRedirects(
    {
      ...check,
      scheme,
      port: target.port ? Number(target.port) : scheme === 'https' ? 443 : 80,
      path: target.pathname + target.search,
    },
    left - 1,
    deadlineMs,
  );
}

function urlOf({ scheme, host, port, path }: HttpCheck): string {
  return `${scheme}://${joinHostPort(host, port)}${escapedPath(path)}`;
}

/** A path in a spec may contain blanks and letters of any script, which a request line cannot. */
function escapedPath(path: string): string {
  return Buffer.from(path)
    .toString('latin1')
    .replace(/[^!-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

type FetchedAnswer =
  | { status: number; body: string; location?: string }
  | Extract<HttpAnswer, { error: string }>;

function fetchOnce(check: HttpCheck): Promise<FetchedAnswer> {
  const url = urlOf(check);
  const headers = headersOf(check);
  const unfit = Object.keys(headers).find((name) =>
    [headers[name]!].flat().some((value) => controlCharacters.test(value)),
  );
  if (unfit !== undefined)
    return Promise.resolve({
      error: `Get "${url}": net/http: invalid header field value for ${goQuote(unfit)}`,
    });
  return new Promise((resolve) => {
    let hasBegun = false;
    const end = (answer: FetchedAnswer) => {
      clearTimeout(timer);
      resolve(answer);
      request.destroy();
    };
    const send = check.scheme === 'https' ? httpsRequest : http.request;
    const request = send(
      {
        host: check.host,
        port: check.port,
        path: escapedPath(check.path),
        headers,
        agent: false,
        rejectUnauthorized: false,
        signal: check.signal,
      },
      (response) => {
        hasBegun = true;
        readAnswer(response).then(end, (error: NodeJS.ErrnoException) =>
          end({ error: error.code === 'ECONNRESET' ? 'unexpected EOF' : error.message, hasBegun }),
        );
      },
    );
    const timer = setTimeout(() => end(lateAnswer(url, { hasBegun })), check.timeoutMs);
    request.on('error', (error: NodeJS.ErrnoException) => {
      const speaksHttp = isPlainAnswer(error);
      end({
        error: `Get "${url}": ${describe(error, check.host, check.port)}`,
        ...(speaksHttp && { speaksHttp }),
      });
    });
    request.end();
  });
}

function lateAnswer(url: string, { hasBegun }: { hasBegun: boolean }): FetchedAnswer {
  const late = 'context deadline exceeded';
  if (hasBegun)
    return { error: `${late} (Client.Timeout or context cancellation while reading body)`, hasBegun };
  return { error: `Get "${url}": ${late} (Client.Timeout exceeded while awaiting headers)` };
}

/** Those of a redirect that Go follows; 300 and 304 are answers. */
const followedStatuses = new Set([301, 302, 303, 307, 308]);

/** Reads no more of the body than is shown. */
async function readAnswer(response: IncomingMessage): Promise<FetchedAnswer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    sizeBytes += part.length;
    if (sizeBytes > bodyMaxBytes) break;
  }
  const body = Buffer.concat(parts).subarray(0, bodyMaxBytes).toString();
  const { location } = response.headers;
  const status = response.statusCode ?? 0;
  return { status, body, ...(followedStatuses.has(status) && location && { location }) };
}

/** The characters that Go forbids in headers; all others are sent as their bytes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for
const controlCharacters = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** A header that is given twice is sent twice; an empty one of those that there are anyway takes it away. */
function headersOf(check: HttpCheck): Record<string, string | string[]> {
  const given = new Map<string, { name: string; values: string[] }>();
  for (const { name, value } of check.headers) {
    const key = name.toLowerCase();
    const header = given.get(key) ?? { name, values: [] };
    header.values.push(Buffer.from(value).toString('latin1'));
    given.set(key, header);
  }
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(usualHeaders))
    if (!given.has(name.toLowerCase())) headers[name] = value;
  for (const [key, { name, values }] of given) {
    const [first = ''] = values;
    if (first === '' && dispensable.has(key)) continue;
    headers[name] = values.length === 1 || key === 'host' ? first : values;
  }
  return headers;
}

const usualHeaders = { 'User-Agent': userAgent, Accept: '*/*' };
const dispensable = new Set(Object.keys(usualHeaders).map((name) => name.toLowerCase()));

function checkTcp({ host, port, timeoutMs }: DialTarget): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (problem: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => settle('i/o timeout'), timeoutMs);
    socket.on('connect', () => settle(undefined));
    socket.on('error', (error: NodeJS.ErrnoException) => settle(dialReason(error)));
  });
}

/** What came back to a TLS handshake is no TLS: of a web server its complaint. */
function isPlainAnswer({ code, message }: NodeJS.ErrnoException): boolean {
  return code === 'EPROTO' && message.includes('wrong version number');
}

function describe(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (isPlainAnswer(error)) return 'http: server gave HTTP response to HTTPS client';
  const where = joinHostPort(host, port);
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `dial tcp ${where}: ${dialReason(error)}`;
    case 'ECONNRESET':
      return error.message.includes('socket hang up')
        ? 'EOF'
        : `read tcp ${where}: read: connection reset by peer`;
    default:
      return error.message;
  }
}

const health = protobuf.Root.fromJSON({
  nested: {
    HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
    HealthCheckResponse: { fields: { status: { type: 'int32', id: 1 } } },
  },
});
const servingStates = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
/** As Go's library writes it: `ResourceExhausted`. */
function codeName(code: number): string {
  const words = (status[code] ?? 'UNKNOWN').toLowerCase().split('_');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return name === 'Cancelled' ? 'Canceled' : name;
}

async function checkGrpc({
  host,
  port,
  service,
  timeoutMs,
}: DialTarget & { service: string }): Promise<string | undefined> {
  const address = joinHostPort(host, port);
  const client = new Client(address, credentials.createInsecure(), { 'grpc.primary_user_agent': userAgent });
  const requestType = health.lookupType('HealthCheckRequest');
  const responseType = health.lookupType('HealthCheckResponse');
  const deadline = Date.now() + timeoutMs;
  const timeout = `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: context deadline exceeded`;
  try {
    return await new Promise((resolve) => {
      client.waitForReady(deadline, (notReady) => {
        if (notReady) return resolve(timeout);
        client.makeUnaryRequest(
          '/grpc.health.v1.Health/Check',
          (message: object) => Buffer.from(requestType.encode(message).finish()),
          (bytes: Buffer) =>
            responseType.toObject(responseType.decode(bytes), { defaults: true }) as { status: number },
          { service },
          { deadline },
          (error, answer) => {
            if (error?.code === status.UNIMPLEMENTED)
              resolve(
                `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`,
              );
            else if (error?.code === status.DEADLINE_EXCEEDED)
              resolve(`timeout: health rpc did not complete within ${timeoutMs / 1000}s`);
            else if (error)
              resolve(
                `error: health rpc probe failed: rpc error: code = ${codeName(error.code)} desc = ${error.details}`,
              );
            else if (answer?.status === 1) resolve(undefined);
            else
              resolve(
                `service unhealthy (responded with "${servingStates[answer?.status ?? 0] ?? 'UNKNOWN'}")`,
              );
          },
        );
      });
    });
  } finally {
    client.close();
  }
}
