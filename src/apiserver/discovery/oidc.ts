/** Where others find the keys that service-account tokens are signed with (OpenID Connect discovery). */
import type { RequestHandler } from '../handler.ts';
import type { Security } from '../security.ts';

const keysPath = '/openid/v1/jwks';

export function registerTokenDiscovery(handler: RequestHandler, { tokens, issuer }: Security): void {
  if (!tokens) return;
  const headers = { 'cache-control': 'public, max-age=3600' };
  const add = (path: string, contentType: string, value: () => object) => {
    const answer = () =>
      ({ type: 'raw', status: 200, contentType, headers, body: JSON.stringify(value()) }) as const;
    handler.addRoute(path, [contentType], answer);
  };
  add('/.well-known/openid-configuration', 'application/json', () => ({
    issuer,
    jwks_uri: `${issuer}${keysPath}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: tokens.algorithms,
  }));
  add(keysPath, 'application/jwk-set+json', () => ({ keys: tokens.publicKeys() }));
}
