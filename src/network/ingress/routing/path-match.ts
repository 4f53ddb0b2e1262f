/** How the path of a rule matches those of requests. */
import { isRegex } from '../../regex.ts';
import type { IngressSettings } from '../settings.ts';

export interface PathMatch {
  match: 'exact' | 'prefix' | 'regex';
  path: string;
}

/** `path`: as written in the rule; the match's has no slash at its end unless that counts. */
export function pathMatchOf(
  { path = '/', pathType }: { path?: string; pathType?: string },
  settings: IngressSettings,
): PathMatch {
  const at = path === '' ? '/' : path;
  if (pathType === 'Exact') return { match: 'exact', path: at };
  const usesGroups = settings.rewriteTarget !== undefined && /[()[\]*+?|^$\\]/.test(at);
  if (settings.useRegex || usesGroups) return { match: 'regex', path: at };
  return { match: 'prefix', path: at.length > 1 ? at.replace(/\/+$/, '') : at };
}

/**
 * An entry of the proxy's maps ends at a line break, and its key at white space: what follows would be another's route.
 * Undefined: the path can be served.
 */
export function pathProblem({ match, path }: PathMatch): string | undefined {
  // White space within a regular expression is escaped.
  const unfit = match === 'regex' ? /[^\S ]|\p{Cc}/u : /\s|\p{Cc}/u;
  if (unfit.test(path)) return 'has white space or control characters';
  return match === 'regex' && !isRegex(path) ? 'is no regular expression' : undefined;
}
