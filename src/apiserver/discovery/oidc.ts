/** Where others find the keys that service-account tokens are signed with (OpenID Connect discovery). */
import { getOnly, type RequestHandler } from '../handler.ts';
import type { Security } from '../security.ts';

const keysPath = '/openid/v1/jwks';

export function registerTokenDiscovery(handler: RequestHandler, { tokens, issuer }: Security): void {
  if (!tokens) return;
  const headers = { 'cache-control': 'public, max-age=3600' };
  const answerJson = (contentType: string, value: () => object) =>
    getOnly(() => ({ type: 'raw', status: 200, contentType, headers, body: JSON.stringify(value()) }));
  handler.addPath(
    '/.well-known/openid-configuration',
    answerJson('application/json', () => ({
      issuer,
      jwks_uri: `${issuer}${keysPath}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: tokens.algorithms,
    })),
  );
  handler.addPath(
    keysPath,
    answerJson('application/jwk-set+json', () => ({ keys: tokens.publicKeys() })),
  );
}
