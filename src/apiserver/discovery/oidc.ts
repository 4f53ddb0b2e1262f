/** Where others find the keys that service-account tokens are signed with (OpenID Connect discovery). */
import type { RequestHandler } from '../handler.ts';
import type { Security } from '../security.ts';

const keysPath = '/openid/v1/jwks';

export function registerTokenDiscovery(handler: RequestHandler, { tokens, issuer }: Security): void {
  if (!tokens) return;
  const headers = { 'cache-control': 'public, max-age=3600' };
  handler.addPath('/.well-known/openid-configuration', () => ({
    type: 'raw',
    status: 200,
    contentType: 'application/json',
    headers,
    body: JSON.stringify({
      issuer,
      jwks_uri: `${issuer}${keysPath}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: tokens.algorithms,
    }),
  }));
  handler.addPath(keysPath, () => ({
    type: 'raw',
    status: 200,
    contentType: 'application/jwk-set+json',
    headers,
    body: JSON.stringify({ keys: tokens.publicKeys() }),
  }));
}
