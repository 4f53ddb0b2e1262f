/** `Impersonate-*` headers: acting as somebody else, when authorization lets the caller. */
import { badRequest, forbidden } from '../../api/status.ts';
import { type Authorizer, whyNot } from '../authorization/authorizer.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { anonymousUser, withAuthenticatedGroup } from './authenticator.ts';
import { serviceAccountUser } from './service-account-tokens.ts';

const extraPrefix = 'impersonate-extra-';
const serviceAccountPattern = /^system:serviceaccount:([^:]+):([^:]+)$/;

/**
 * The user to act as: the caller itself when no such header is there.
 * @throws StatusError 403 for the first thing that the caller may not impersonate.
 */
export async function impersonate(
  request: ApiRequest,
  caller: UserInfo,
  authorize: Authorizer,
): Promise<UserInfo> {
  const name = request.header('impersonate-user');
  const uid = request.header('impersonate-uid');
  const groups = listOf(request.headers()['impersonate-group']);
  const extra = extraOf(request);
  if (!name) {
    if (!uid && groups.length === 0 && Object.keys(extra).length === 0) return caller;
    throw badRequest('requested impersonation of a group, uid or extra without impersonating a user');
  }
  const check = async (
    group: string,
    resource: string,
    namespace: string,
    target: string,
    subresource = '',
  ) => {
    const attributes = {
      user: caller,
      verb: 'impersonate',
      isResource: true,
      path: '',
      group,
      version: 'v1',
      resource,
      subresource,
      namespace,
      name: target,
    };
    const decision = await authorize(attributes);
    if (!decision.allowed) throw forbidden({ group, plural: resource }, target, whyNot(attributes, decision));
  };

  const [, accountNamespace, accountName] = serviceAccountPattern.exec(name) ?? [];
  if (accountNamespace && accountName) await check('', 'serviceaccounts', accountNamespace, accountName);
  else await check('', 'users', '', name);
  for (const group of groups) await check('', 'groups', '', group);
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) await check('authentication.k8s.io', 'userextras', '', value, key);
  }
  if (uid) await check('authentication.k8s.io', 'uids', '', uid);

  const implied =
    accountNamespace && accountName ? serviceAccountUser(accountNamespace, accountName).groups : [];
  const user: UserInfo = {
    name,
    ...(uid && { uid }),
    groups: groups.length > 0 ? groups : implied,
    ...(Object.keys(extra).length > 0 && { extra }),
  };
  return name === anonymousUser.name
    ? { ...user, groups: anonymousUser.groups }
    : withAuthenticatedGroup(user);
}

function extraOf(request: ApiRequest): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(request.headers())) {
    if (header.startsWith(extraPrefix))
      extra[decodeURIComponent(header.slice(extraPrefix.length))] = listOf(value);
  }
  return extra;
}

/** HTTP/1 joins repeated headers with a comma; group names hold none in practice. */
function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(',')).map((item) => item.trim()).filter(Boolean);
}
