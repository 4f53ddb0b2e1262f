/** Authentication: the chain that turns a request's credentials into a user. */
import { unauthorized } from '../../api/status.ts';
import { authenticatedGroup, unauthenticatedGroup } from '../../api/well-known.ts';
import type { ApiRequest, UserInfo } from '../request.ts';

/**
 * Knows one kind of bearer token; undefined when the token is not of that kind or not valid. `refused` gets the reason
 * why a token of that kind is not valid.
 */
export type TokenAuthenticator = (
  token: string,
  audiences?: readonly string[],
  refused?: (reason: string) => void,
) => AuthenticatedToken | undefined | Promise<AuthenticatedToken | undefined>;

export interface AuthenticatedToken {
  user: UserInfo;
  /** The requested audiences for which the token is meant; undefined when the token names none. */
  audiences?: readonly string[];
}

export const anonymousUser: UserInfo = { name: 'system:anonymous', groups: [unauthenticatedGroup] };

/**
 * Tries the certificate, then the bearer token; a client with neither is anonymous, where `admitsAnonymous` allows that
 * for the path.
 */
export function createAuthenticator(
  tokens: readonly TokenAuthenticator[],
  admitsAnonymous: (path: string) => boolean = () => true,
): (request: ApiRequest) => Promise<UserInfo> {
  return async (request) => {
    const certificateUser = userOfCertificate(request);
    if (certificateUser) return withAuthenticatedGroup(certificateUser);
    const token = bearerToken(request.header('authorization')) ?? webSocketToken(request);
    if (token === undefined) {
      if (!admitsAnonymous(request.path)) throw unauthorized();
      return anonymousUser;
    }
    const authenticated = await authenticateToken(tokens, token);
    if (!authenticated) throw unauthorized();
    return withAuthenticatedGroup(authenticated.user);
  };
}

/** The first authenticator that knows the token. */
export async function authenticateToken(
  tokens: readonly TokenAuthenticator[],
  token: string,
  audiences?: readonly string[],
  refused?: (reason: string) => void,
): Promise<AuthenticatedToken | undefined> {
  for (const authenticate of tokens) {
    const authenticated = await authenticate(token, audiences, refused);
    if (authenticated) return authenticated;
  }
  return undefined;
}

/** Every caller that showed a credential is in this group, besides its own. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.name === anonymousUser.name || user.groups.includes(authenticatedGroup)) return user;
  return { ...user, groups: [...user.groups, authenticatedGroup] };
}

/** Undefined for other schemes, and for an empty token, which upstream treats as no credential at all. */
function bearerToken(header: string | undefined): string | undefined {
  const [scheme = '', token] = header?.trim().split(' ', 2) ?? [];
  return scheme.toLowerCase() === 'bearer' ? token || undefined : undefined;
}

/** What the client gets to know about its header, other than that it is good or not. */
export function authorizationWarning(header: string | undefined): string | undefined {
  if (!header || !/^bearer {2}/i.test(header.trim())) return undefined;
  return 'the provided Authorization header contains extra space before the bearer token, and is ignored';
}

const webSocketTokenPrefix = 'base64url.bearer.authorization.k8s.io.';

/** Browsers cannot set headers on a WebSocket; Kubernetes lets them offer the token as a subprotocol. */
function webSocketToken(request: ApiRequest): string | undefined {
  const offered = request
    .header('sec-websocket-protocol')
    ?.split(',')
    .map((protocol) => protocol.trim());
  const encoded = offered?.find((protocol) => protocol.startsWith(webSocketTokenPrefix));
  return encoded && Buffer.from(encoded.slice(webSocketTokenPrefix.length), 'base64url').toString('utf8');
}

/** Identifies the credential of a request in audit events and reviews. */
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

/** CN is the name, O are the groups (upstream's x509 authenticator). */
function userOfCertificate(request: ApiRequest): UserInfo | undefined {
  const certificate = request.clientCertificate?.();
  if (!certificate?.commonName) return undefined;
  const extra = { [credentialIdKey]: [`X509SHA256=${certificate.sha256}`] };
  return { name: certificate.commonName, groups: certificate.organizations, extra };
}
