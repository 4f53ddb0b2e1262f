/** Who is admitted by password: lists of HAProxy's own, and for hashes that it does not know one in Lua. */
import type { Backend } from '../routing/backends.ts';
import { luaString, quote } from './quoting.ts';

/** Hashes that crypt(3) knows are checked by HAProxy; `http_auth` requires a list even when it is empty. */
export function userLines({ name, users }: Backend): string[] {
  if (!users) return [];
  const own = users.filter(
    ({ name: user, hash }) => !isForLua(hash) && /^\S+$/.test(user) && /^\S+$/.test(hash),
  );
  return [
    `userlist users-${name}`,
    ...own.map(({ name: user, hash }) => `  user ${quote(user)} password ${quote(hash)}`),
    '',
  ];
}

export function usersLua(backends: readonly Backend[]): string {
  const lists = backends
    .filter(({ users }) => users)
    .map(({ name, users }) => {
      const entries = users!
        .filter(({ hash }) => isForLua(hash))
        .map((user) => `    [${luaString(user.name)}] = ${luaString(user.hash)},\n`);
      return `  [${luaString(name)}] = {\n${entries.join('')}  },\n`;
    });
  return `ingress_users = {\n${lists.join('')}}\n`;
}

export function isForLua(hash: string): boolean {
  return hash.startsWith('$apr1$') || hash.startsWith('{SHA}');
}
