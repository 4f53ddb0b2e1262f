/** Answers in plain text: what says them, in upstream's chain of handlers, knows nothing of a Status. */
import type { Decision } from './authorization/authorizer.ts';
import type { ApiRequest, ApiResponse } from './request.ts';

/** No server of the chain is responsible. */
export const pageNotFound: ApiResponse = {
  type: 'raw',
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  headers: { 'x-content-type-options': 'nosniff' },
  body: '404 page not found\n',
};

/** Answered before content negotiation. */
export function tooManyRequests(retryAfterSeconds: number): ApiResponse {
  return {
    type: 'raw',
    status: 429,
    contentType: 'text/plain; charset=utf-8',
    headers: { 'x-content-type-options': 'nosniff', 'retry-after': String(retryAfterSeconds) },
    body: 'Too many requests, please try again later.\n',
  };
}

/** It could not be decided whether the request is allowed, which is no refusal. */
export function undecided({ path, search }: ApiRequest, { evaluationError = '' }: Decision): ApiResponse {
  const uri = search ? `${path}?${search}` : path;
  return {
    type: 'raw',
    status: 500,
    contentType: 'text/plain; charset=utf-8',
    body: `Internal Server Error: ${JSON.stringify(uri)}: ${evaluationError}\n`,
  };
}
