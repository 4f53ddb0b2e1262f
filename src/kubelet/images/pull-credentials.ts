/** Registry credentials from pull secrets. Pure. */

import type { Secret } from '../../api/resources.gen.ts';
import { isJsonObject } from '../../base/json-object.ts';
import type { AuthConfig } from '../cri/messages.ts';
import type { ImageName } from './image-name.ts';

interface DockerAuth {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** Distinguishes a secret from a later one of the same name. */
export interface SecretOrigin {
  namespace: string;
  name: string;
  uid: string;
}

export interface PullCredential {
  auth: AuthConfig;
  /** The secret that it comes from. */
  secret: SecretOrigin;
}

/** All credentials that match the image, the most specific first. An unreadable secret has none. */
export function credentialsFor(image: ImageName, secrets: readonly Secret[]): PullCredential[] {
  const all = secrets.flatMap((secret) =>
    Object.entries(authsOf(secret)).map(([key, entry]) => ({
      place: placeOf(key),
      credential: { auth: authConfig(entry ?? {}), secret: originOf(secret) },
    })),
  );
  const matching = all.filter(({ place }) => matches(place, image));
  const found = matching.length > 0 ? matching : all.filter(({ place }) => isHubOf(place, image));
  // Upstream's order: a longer path comes before its beginning, and a name before a pattern.
  found.sort((a, b) => (textOf(a.place) > textOf(b.place) ? -1 : textOf(a.place) < textOf(b.place) ? 1 : 0));
  return found.map(({ credential }) => credential);
}

function originOf({ metadata: { namespace = '', name, uid } }: Secret): SecretOrigin {
  return { namespace, name, uid };
}

function authsOf(secret: Secret): Record<string, DockerAuth | null> {
  const data = secret.data ?? {};
  const modern = data['.dockerconfigjson'];
  const legacy = data['.dockercfg'];
  const read = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64').toString());
  let auths: unknown;
  try {
    if (modern) auths = (read(modern) as { auths?: unknown } | null)?.auths;
    else if (legacy) auths = read(legacy);
  } catch {
    // The API server checks the format; content that evades the check is no usable credential.
    return {};
  }
  return isJsonObject(auths) && Object.values(auths).every(isAuth) ? (auths as never) : {};
}

const authFields = ['username', 'password', 'auth', 'identitytoken', 'registrytoken'];

function isAuth(value: unknown): boolean {
  if (value === null) return true;
  return (
    isJsonObject(value) && authFields.every((field) => ['string', 'undefined'].includes(typeof value[field]))
  );
}

function authConfig(entry: DockerAuth): AuthConfig {
  const { username = '', password = '' } = entry.auth ? decodedAuth(entry.auth) : entry;
  return {
    username,
    password,
    ...(entry.identitytoken && { identityToken: entry.identitytoken }),
    ...(entry.registrytoken && { registryToken: entry.registrytoken }),
  };
}

function decodedAuth(auth: string): { username?: string; password?: string } {
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  return colon < 0 ? {} : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** What a key of the secret names. */
interface Place {
  /** Perhaps with a port, and with `*` within its labels. */
  host: string;
  /** What the path of the repository begins with, its slash included. */
  path: string;
}

/** Clients write the versions of the registry's protocol into it, which name no place. */
function placeOf(key: string): Place {
  const bare = key.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  if (slash < 0) return { host: bare, path: '' };
  const path = bare.slice(slash).replace(/^\/v[12](?=\/)/, '');
  return { host: bare.slice(0, slash), path: path === '/' ? '' : path };
}

function textOf({ host, path }: Place): string {
  return host + path;
}

/** The name by which clients log in to Docker Hub counts for its images when nothing else does. */
function isHubOf(place: Place, { registry }: ImageName): boolean {
  return registry === 'docker.io' && textOf(place) === 'index.docker.io';
}

function matches({ host, path }: Place, image: ImageName): boolean {
  if (!`/${image.repository}`.startsWith(path)) return false;
  const [name = '', port] = splitPort(host);
  const [wantedName = '', wantedPort] = splitPort(image.registry);
  if (port !== wantedPort) return false;
  const labels = name.split('.');
  const wanted = wantedName.split('.');
  return (
    labels.length === wanted.length && labels.every((label, index) => globMatches(label, wanted[index]!))
  );
}

function splitPort(host: string): [string, string | undefined] {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? [host.slice(0, colon), host.slice(colon + 1)] : [host, undefined];
}

/** In linear time: whoever may create a pod chooses both. */
function globMatches(pattern: string, text: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - at >= last.length && text.endsWith(last);
}
