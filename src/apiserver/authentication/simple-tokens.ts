/** Tokens that are compared literally: those that the server was given, and bootstrap tokens stored as Secrets. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Secret } from '../../api/resources.gen.ts';
import { instantOf } from '../../api/schema/time.ts';
import { bootstrapTokenType } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { UserInfo } from '../request.ts';
import type { TokenAuthenticator } from './authenticator.ts';

export function staticTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const hashed = new Map([...users].map(([token, user]) => [hashOf(token), user]));
  return (token) => {
    const user = hashed.get(hashOf(token));
    return user && { user };
  };
}

const bootstrapTokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const bootstrapGroupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Tokens `id.secret` whose Secret `bootstrap-token-<id>` in kube-system allows authentication and is not past its time. */
export function bootstrapTokens(objects: ObjectReader, clock: Pick<Clock, 'now'>): TokenAuthenticator {
  return (token) => {
    const [, id, secret] = bootstrapTokenPattern.exec(token) ?? [];
    if (!id || !secret) return undefined;
    const held = objects.get(Secret, 'kube-system', `bootstrap-token-${id}`);
    if (held?.type !== bootstrapTokenType || held.metadata.deletionTimestamp) return undefined;
    const field = (name: string) => Buffer.from(held.data?.[name] ?? '', 'base64').toString('utf8');
    if (field('token-id') !== id || !equalSecrets(field('token-secret'), secret)) return undefined;
    if (field('usage-bootstrap-authentication') !== 'true') return undefined;
    const expiration = field('expiration');
    if (expiration && !((instantOf(expiration) ?? 0) > clock.now())) return undefined;
    const more = field('auth-extra-groups');
    const groups = more ? more.split(',') : [];
    if (!groups.every((group) => bootstrapGroupPattern.test(group))) return undefined;
    const all = new Set(['system:bootstrappers', ...groups.sort()]);
    return { user: { name: `system:bootstrap:${id}`, groups: [...all] } };
  };
}

function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(left)), Buffer.from(hashOf(right)));
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
