/** `Impersonate-*` headers: acting as another user, when authorization allows it. */
import { badRequest } from '../../api/status.ts';
import { unauthenticatedGroup } from '../../api/well-known.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { anonymousUser, withAuthenticatedGroup } from './authenticator.ts';
import { type Impersonated, type ImpersonationRequest, impersonatedUser } from './impersonation-modes.ts';
import { serviceAccountOf, serviceAccountUser } from './service-account-tokens.ts';

type Headers = ReturnType<ApiRequest['headers']>;

const extraPrefix = 'impersonate-extra-';

/**
 * The user to act as: the caller itself without such headers. `info`: the request to be made as that user.
 * @throws StatusError 403 for the first thing that the caller may not impersonate
 */
export async function impersonate(request: ApiRequest, given: ImpersonationRequest): Promise<Impersonated> {
  const { caller } = given;
  const headers = request.headers();
  if (!asksForAnother(headers)) return { user: caller };
  const name = request.header('impersonate-user');
  const uid = request.header('impersonate-uid');
  const groups = listOf(headers['impersonate-group']);
  const extra = extraOf(headers);
  if (!name) {
    if (!uid && groups.length === 0 && Object.keys(extra).length === 0) return { user: caller };
    throw badRequest(`requested ${printedUser(uid, groups, extra)} without impersonating a user name`);
  }
  const hasExtra = Object.keys(extra).length > 0;
  const wanted = { name, groups, ...(uid && { uid }), ...(hasExtra && { extra }) };
  const impersonated = await impersonatedUser({ ...given, wanted });
  return { ...impersonated, user: withFinalGroup(withImpliedGroups(impersonated.user)) };
}

/** Whoever is not known to be unauthenticated counts as authenticated. */
function withFinalGroup(user: UserInfo): UserInfo {
  if (user.groups.includes(unauthenticatedGroup)) return user;
  return user.name === anonymousUser.name
    ? { ...user, groups: [...user.groups, unauthenticatedGroup] }
    : withAuthenticatedGroup(user);
}

function withImpliedGroups(user: UserInfo): UserInfo {
  const account = serviceAccountOf(user.name);
  if (!account || user.groups.length > 0) return user;
  return { ...user, groups: serviceAccountUser(account.namespace, account.name).groups };
}

/** As Go prints it, and so as upstream shows the requested user. */
function printedUser(uid = '', groups: readonly string[], extra: Record<string, string[]>): string {
  const strings = (values: readonly string[]) =>
    `[]string{${values.map((value) => JSON.stringify(value)).join(', ')}}`;
  const entries = Object.entries(extra).map(([key, values]) => `${JSON.stringify(key)}:${strings(values)}`);
  const shownGroups = groups.length > 0 ? strings(groups) : '[]string(nil)';
  const shownExtra = entries.length > 0 ? `{${entries.join(', ')}}` : '(nil)';
  return `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${shownGroups}, Extra:map[string][]string${shownExtra}}`;
}

/** Hardly any request does: this is all that the others are asked. */
function asksForAnother(headers: Headers): boolean {
  for (const header in headers) if (header.startsWith('impersonate-')) return true;
  return false;
}

function extraOf(headers: Headers): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (header.startsWith(extraPrefix)) extra[decodedKey(header.slice(extraPrefix.length))] = listOf(value);
  }
  return extra;
}

/** As upstream, takes what is not well encoded as it came. */
function decodedKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

/** HTTP/1 joins repeated headers with a comma; group names hold none in practice. An empty value is one, too. */
function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(',')).map((item) => item.trim());
}
