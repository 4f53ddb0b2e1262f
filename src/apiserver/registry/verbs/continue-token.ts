/** The `continue` token of a paged list: which revision the list shows and the last key that was sent. */
import { JsonError, parseJson } from '../../../api/schema/body/json.ts';
import { badRequest } from '../../../api/status.ts';

export interface ContinueToken {
  /** {@link inconsistentRevision}: continue with the present state. */
  revision: number;
  /** The last key sent, without the part that follows from the request's path. */
  start: string;
}

export const inconsistentRevision = -1;

/** Upstream's form, so that a token survives the move from or to an upstream server. */
export function encodeContinue({ revision, start }: ContinueToken): string {
  // The next page starts right behind the last key: no key lies between `x` and `x\0`.
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: `${start}\0` });
  return Buffer.from(text).toString('base64url');
}

/** @throws StatusError 400 */
export function decodeContinue(token: string): ContinueToken {
  const fail = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`);
  const illegal = illegalByteOf(token);
  if (illegal !== undefined) throw fail(`illegal base64 data at input byte ${illegal}`);
  let parsed: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    parsed = parseJson(Buffer.from(token, 'base64url').toString('utf8')).value as typeof parsed;
  } catch (error) {
    if (error instanceof JsonError) throw fail(error.message);
    throw error;
  }
  if (typeof parsed !== 'object' || parsed === null) throw fail('not an object');
  if (parsed.v !== 'meta.k8s.io/v1')
    throw fail(`server does not recognize this encoded version ${JSON.stringify(parsed.v ?? '')}`);
  if (typeof parsed.rv !== 'number' || parsed.rv === 0)
    throw fail('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (typeof parsed.start !== 'string' || parsed.start === '')
    throw fail('encoded start key empty (version meta.k8s.io/v1)');
  const start = parsed.start.endsWith('\0') ? parsed.start.slice(0, -1) : parsed.start;
  if (start.startsWith('/') || start.split('/').some((part) => part === '..'))
    throw fail(JSON.stringify(start));
  return { revision: parsed.rv, start };
}

/** Where URL-safe base64 without padding stops being that; a single character at the end holds no byte. */
function illegalByteOf(token: string): number | undefined {
  const at = token.search(/[^A-Za-z0-9_-]/);
  if (at >= 0) return Buffer.byteLength(token.slice(0, at));
  return token.length % 4 === 1 ? token.length - 1 : undefined;
}
