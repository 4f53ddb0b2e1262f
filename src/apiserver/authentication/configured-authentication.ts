/** The active authentication configuration, in effect from the moment it is set. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { authenticateToken, type TokenAuthenticator } from './authenticator.ts';
import type { AuthenticationConfiguration } from './configuration.ts';
import { providerTokens } from './openid-connect.ts';

export class ConfiguredAuthentication {
  readonly #system: { clock: Clock; logger: Logger };
  #tokens: readonly TokenAuthenticator[] = [];
  #anonymous: AuthenticationConfiguration['anonymous'];

  constructor(system: { clock: Clock; logger: Logger }) {
    this.#system = system;
  }

  set({ providers, anonymous }: AuthenticationConfiguration): void {
    this.#tokens = providers.map((provider) => providerTokens(provider, this.#system));
    this.#anonymous = anonymous;
  }

  readonly authenticate: TokenAuthenticator = (token, audiences, refused) =>
    authenticateToken(this.#tokens, token, audiences, refused);

  readonly admitsAnonymous = (path: string): boolean => {
    const rule = this.#anonymous;
    if (!rule) return true;
    return rule.enabled && (rule.paths.length === 0 || rule.paths.includes(path));
  };
}
