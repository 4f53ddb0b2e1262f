/** Registry credentials from pull secrets. Pure. */
import type { Secret } from '../../api/resources.gen.ts';
import { isJsonObject } from '../../api/structural/schema.ts';
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
  const found: { key: string; credential: PullCredential }[] = [];
  for (const secret of secrets) {
    const { namespace = '', name, uid } = secret.metadata;
    for (const [key, entry] of Object.entries(authsOf(secret))) {
      if (!matches(key, image)) continue;
      found.push({ key, credential: { auth: authConfig(entry ?? {}), secret: { namespace, name, uid } } });
    }
  }
  return found.sort((a, b) => b.key.length - a.key.length).map(({ credential }) => credential);
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
  const decoded = entry.auth ? Buffer.from(entry.auth, 'base64').toString() : '';
  const colon = decoded.indexOf(':');
  return {
    username: entry.username ?? (colon >= 0 ? decoded.slice(0, colon) : ''),
    password: entry.password ?? (colon >= 0 ? decoded.slice(colon + 1) : ''),
    ...(entry.identitytoken && { identityToken: entry.identitytoken }),
    ...(entry.registrytoken && { registryToken: entry.registrytoken }),
  };
}

const dockerHubNames = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** `key`: a host, perhaps with a port, a path that the repository must start with, and `*` within its labels. */
function matches(key: string, image: ImageName): boolean {
  const bare = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/$/, '');
  const slash = bare.indexOf('/');
  const host = slash >= 0 ? bare.slice(0, slash) : bare;
  const path = slash >= 0 ? bare.slice(slash + 1) : '';
  if (path && image.repository !== path && !image.repository.startsWith(`${path}/`)) return false;
  if (dockerHubNames.has(host)) return dockerHubNames.has(image.registry);
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
