/** Who is admitted where an Ingress asks for a password. */
import type { Ingress, Secret } from '../../../api/resources.gen.ts';
import type { IngressSettings } from '../settings.ts';
import type { Problems } from './problems.ts';
import { decodeText } from './secret-text.ts';

/** A line of an htpasswd file. */
export interface PasswordUser {
  name: string;
  hash: string;
}

/** Nobody where the secret with the users is not as it should be. */
export function passwordUsersOf(
  ingress: Ingress,
  { secret: named, isMap }: NonNullable<IngressSettings['basicAuth']>,
  secret: (key: string) => Secret | undefined,
  problems: Problems,
): PasswordUser[] {
  const { namespace = '' } = ingress.metadata;
  const key = named.includes('/') ? named : `${namespace}/${named}`;
  const refuse = (why: string): PasswordUser[] => {
    problems.add(ingress, 'InvalidSecret', `secret "${key}" with the users ${why}`);
    return [];
  };
  // As ingress-nginx: who may write Ingresses in one namespace is not let into the secrets of another.
  if (!key.startsWith(`${namespace}/`)) return refuse('is of another namespace');
  const data = secret(key)?.data;
  if (!data) return refuse('does not exist');
  if (isMap) return Object.entries(data).map(([name, hash]) => ({ name, hash: decodeText(hash).trim() }));
  return data.auth ? readHtpasswd(decodeText(data.auth)) : refuse('has no key auth');
}

function readHtpasswd(text: string): PasswordUser[] {
  return text.split('\n').flatMap((line) => {
    const [name, hash] = line.trim().split(':');
    return name && hash ? [{ name, hash }] : [];
  });
}
