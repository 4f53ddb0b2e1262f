/** Assembles authentication and authorization from the options of the server. */
import type { Secret } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { createAuthenticator, type TokenAuthenticator } from './authentication/authenticator.ts';
import type { ConfiguredAuthentication } from './authentication/configured-authentication.ts';
import { JsonWebTokens, type SigningKeys } from './authentication/json-web-token.ts';
import { type OpenIdConnectOptions, openIdConnect } from './authentication/openid-connect.ts';
import { ServiceAccountTokens } from './authentication/service-account-tokens.ts';
import { bootstrapTokens, staticTokens } from './authentication/simple-tokens.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import {
  AuthorizationChain,
  chainAuthorizer,
  type KnownRules,
  knownRules,
} from './authorization/configured-authorization.ts';
import { nodeAuthorizer } from './authorization/node-authorizer.ts';
import { RbacAuthorizer } from './authorization/rbac.ts';
import type { PolicyRule } from './authorization/rules.ts';
import type { AuthorizationMetrics } from './metrics/authorization-metrics.ts';
import type { ObjectReader } from './object-reader.ts';
import type { ApiRequest, UserInfo } from './request.ts';

export interface SecurityOptions {
  /** Signs service-account tokens; without it the server issues and accepts none. */
  serviceAccountKeys?: SigningKeys;
  /** `https://kubernetes.default.svc.cluster.local` unless set. */
  issuer?: string;
  /** Accepted static tokens, by token. */
  staticTokens?: ReadonlyMap<string, UserInfo>;
  /** Providers whose ID tokens are good. */
  openIdConnect?: readonly OpenIdConnectOptions[];
  /** More of them, and who may be anonymous where; may be replaced at any time. */
  authentication?: ConfiguredAuthentication;
  /** Who is asked about rights; may be replaced at any time. */
  authorization?: AuthorizationChain;
}

export interface Security {
  authenticate(request: ApiRequest): Promise<UserInfo>;
  authorize: Authorizer;
  rbac: RbacAuthorizer;
  /** The part of a user's rights that can be listed in advance. */
  knownRules(): KnownRules;
  /** For TokenReview. */
  tokenAuthenticators: readonly TokenAuthenticator[];
  /** Undefined when no key was given. */
  serviceAccounts: ServiceAccountTokens | undefined;
  tokens: JsonWebTokens | undefined;
  issuer: string;
}

export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';

/** What other parts of the server provide. */
export interface SecurityParts {
  objects: ObjectReader;
  clock: Clock;
  random: Random;
  logger: Logger;
  nodeRules: readonly PolicyRule[];
  authorizationMetrics: AuthorizationMetrics;
  legacyTokenUsed(secret: Secret): void;
}

export function createSecurity(options: SecurityOptions, parts: SecurityParts): Security {
  const { objects, clock, random, logger, nodeRules, authorizationMetrics, legacyTokenUsed } = parts;
  const issuer = options.issuer ?? defaultIssuer;
  const tokens = options.serviceAccountKeys && new JsonWebTokens(options.serviceAccountKeys);
  const serviceAccounts =
    tokens &&
    new ServiceAccountTokens({
      tokens,
      issuer,
      audiences: [issuer],
      objects,
      clock,
      random,
      legacyTokenUsed,
    });
  const tokenAuthenticators: TokenAuthenticator[] = [bootstrapTokens(objects, clock)];
  if (options.staticTokens) tokenAuthenticators.unshift(staticTokens(options.staticTokens));
  if (serviceAccounts) tokenAuthenticators.push(serviceAccounts.authenticate);
  for (const provider of options.openIdConnect ?? [])
    tokenAuthenticators.push(openIdConnect(provider, { clock, logger }));
  const { authentication } = options;
  if (authentication) tokenAuthenticators.push(authentication.authenticate);
  const rbac = new RbacAuthorizer(objects);
  const chain = options.authorization ?? new AuthorizationChain();
  const own = { Node: nodeAuthorizer(objects, nodeRules), RBAC: rbac.authorize };
  return {
    authenticate: createAuthenticator(tokenAuthenticators, authentication?.admitsAnonymous),
    authorize: chainAuthorizer(chain, own, authorizationMetrics),
    rbac,
    knownRules: () => knownRules(chain),
    tokenAuthenticators,
    serviceAccounts,
    tokens,
    issuer,
  };
}
