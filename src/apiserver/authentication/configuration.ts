/**
 * Reads upstream's AuthenticationConfiguration: issuers of tokens, how their claims map to users, and anonymous access.
 */
import { X509Certificate } from 'node:crypto';
import { type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { duplicate, required, tooMany } from '../../api/validation/field-error.ts';
import { httpPathProblems, subdomainProblems } from '../../api/validation/names.ts';
import { throwAll } from '../../base/text/configuration-shape.ts';
import { ConfigurationReader, decodeConfiguration } from '../access-configuration.ts';
import { type ClaimMapping, type ClaimSource, type CompiledRule, mapClaims } from './claim-mapping.ts';
import { authenticationShape } from './configuration-shape.ts';
import type { TokenProvider } from './openid-connect.ts';

export interface AuthenticationConfiguration {
  providers: readonly TokenProvider[];
  /** As the server does by itself when undefined. */
  anonymous: AnonymousRule | undefined;
}

export interface AnonymousRule {
  enabled: boolean;
  /** Only at these paths, unless there are none. */
  paths: readonly string[];
}

interface PrefixedSource {
  claim?: string;
  prefix?: string;
  expression?: string;
}

interface JwtAuthenticator {
  issuer?: {
    url?: string;
    discoveryURL?: string;
    certificateAuthority?: string;
    audiences?: string[];
    audienceMatchPolicy?: string;
    egressSelectorType?: string;
  };
  claimValidationRules?: { claim?: string; requiredValue?: string; expression?: string; message?: string }[];
  claimMappings?: {
    username?: PrefixedSource;
    groups?: PrefixedSource;
    uid?: PrefixedSource;
    extra?: { key?: string; valueExpression?: string }[];
  };
  userValidationRules?: { expression?: string; message?: string }[];
}

interface Document {
  jwt?: JwtAuthenticator[];
  anonymous?: { enabled?: boolean; conditions?: { path?: string }[] };
}

const providersMax = 64;

/**
 * `disallowedIssuers`: those of the server's own tokens.
 * @throws Error with everything that is wrong, in upstream's words
 */
export function readAuthenticationConfiguration(
  value: unknown,
  disallowedIssuers: readonly string[],
): AuthenticationConfiguration {
  const document = decodeConfiguration('AuthenticationConfiguration', authenticationShape, value) as Document;
  const reader = new AuthenticationReader(disallowedIssuers);
  const configuration = reader.read(document);
  throwAll(reader.errors.map(({ text }) => text));
  return configuration;
}

class AuthenticationReader extends ConfigurationReader {
  readonly #disallowedIssuers: readonly string[];

  constructor(disallowedIssuers: readonly string[]) {
    super();
    this.#disallowedIssuers = disallowedIssuers;
  }

  read({ jwt = [], anonymous }: Document): AuthenticationConfiguration {
    if (jwt.length > providersMax) this.errors.push(tooMany('jwt', jwt.length, providersMax));
    else this.#checkDuplicates(jwt);
    const enabled = anonymous?.enabled ?? false;
    const conditions = anonymous?.conditions ?? [];
    if (!enabled && conditions.length > 0)
      this.invalid(
        'anonymous.conditions',
        conditions,
        'enabled should be set to true when conditions are defined',
      );
    return {
      providers:
        this.errors.length > 0 ? [] : jwt.map((entry, index) => this.#provider(entry, `jwt[${index}]`)),
      anonymous: anonymous && { enabled, paths: conditions.map(({ path = '' }) => path) },
    };
  }

  #checkDuplicates(jwt: readonly JwtAuthenticator[]): void {
    for (const name of ['url', 'discoveryURL'] as const) {
      const seen = new Set<string>();
      for (const [index, { issuer }] of jwt.entries()) {
        const url = issuer?.[name];
        if (!url) continue;
        if (seen.has(url)) this.errors.push(duplicate(`jwt[${index}].issuer.${name}`, url));
        seen.add(url);
      }
    }
  }

  #provider(entry: JwtAuthenticator, path: string): TokenProvider {
    const issuer = this.#issuer(entry.issuer ?? {}, `${path}.issuer`);
    const rules = this.#claimRules(entry.claimValidationRules ?? [], `${path}.claimValidationRules`);
    const mapping = {
      ...this.#mappings(entry.claimMappings ?? {}, rules.claimRules, `${path}.claimMappings`),
      ...rules,
      userRules: this.#userRules(entry.userValidationRules ?? [], `${path}.userValidationRules`),
    };
    const { groups } = mapping;
    const groupsClaim = groups && 'claim' in groups ? groups.claim : undefined;
    return { ...issuer, groupsClaim, userOf: (claims) => mapClaims(claims, mapping) };
  }

  #issuer(issuer: NonNullable<JwtAuthenticator['issuer']>, path: string): Omit<TokenProvider, 'userOf'> {
    const { url = '', discoveryURL, certificateAuthority, audiences = [], egressSelectorType } = issuer;
    if (!url) this.errors.push(required(`${path}.url`));
    else {
      const own = this.#disallowedIssuers;
      if (own.includes(url))
        this.invalid(`${path}.url`, url, `URL must not overlap with disallowed issuers: [${own.join(' ')}]`);
      this.#url(url, `${path}.url`);
    }
    if (discoveryURL) {
      const field = `${path}.discoveryURL`;
      const bare = (text: string) => text.replace(/\/+$/, '');
      if (url && bare(url) === bare(discoveryURL))
        this.invalid(field, discoveryURL, 'discoveryURL must be different from URL');
      this.#url(discoveryURL, field);
    }
    this.#audiences(audiences, issuer.audienceMatchPolicy ?? '', path);
    if (certificateAuthority && !holdsCertificates(certificateAuthority))
      this.invalid(
        `${path}.certificateAuthority`,
        '<omitted>',
        'data does not contain any valid RSA or ECDSA certificates',
      );
    if (egressSelectorType && !['controlplane', 'cluster'].includes(egressSelectorType))
      this.invalid(
        `${path}.egressSelectorType`,
        egressSelectorType,
        'egress selector must be either controlplane or cluster',
      );
    return { issuerUrl: url, discoveryUrl: discoveryURL, audiences, ca: certificateAuthority };
  }

  #url(text: string, field: string): void {
    const url = URL.parse(text);
    if (!url) {
      this.invalid(field, text, `parse ${JSON.stringify(text)}: invalid URL`);
      return;
    }
    if (url.protocol !== 'https:') this.invalid(field, text, 'URL scheme must be https');
    if (url.username || url.password)
      this.invalid(field, text, 'URL must not contain a username or password');
    if (url.search) this.invalid(field, text, 'URL must not contain a query');
    if (url.hash) this.invalid(field, text, 'URL must not contain a fragment');
  }

  #audiences(audiences: readonly string[], policy: string, path: string): void {
    const field = `${path}.audiences`;
    if (audiences.length === 0)
      return void this.errors.push(required(field, `at least one ${field} is required`));
    for (const [index, audience] of audiences.entries()) {
      if (!audience) this.errors.push(required(`${field}[${index}]`));
      if (audiences.indexOf(audience) < index) this.errors.push(duplicate(`${field}[${index}]`, audience));
    }
    const policyField = `${path}.audienceMatchPolicy`;
    if (audiences.length > 1 && policy !== 'MatchAny')
      this.invalid(policyField, policy, 'audienceMatchPolicy must be MatchAny for multiple audiences');
    if (audiences.length === 1 && policy !== '' && policy !== 'MatchAny')
      this.invalid(policyField, policy, 'audienceMatchPolicy must be empty or MatchAny for single audience');
  }

  #claimRules(
    rules: NonNullable<JwtAuthenticator['claimValidationRules']>,
    path: string,
  ): Pick<ClaimMapping, 'requiredClaims' | 'claimRules'> {
    const requiredClaims = new Map<string, string>();
    const claimRules = new Map<string, CompiledRule>();
    for (const [index, { claim, requiredValue, expression, message = '' }] of rules.entries()) {
      const at = `${path}[${index}]`;
      if (claim && expression) this.invalid(at, claim, "claim and expression can't both be set");
      else if (claim) {
        if (message) this.invalid(`${at}.message`, message, 'may not be specified when claim is set');
        if (requiredClaims.has(claim)) this.errors.push(duplicate(`${at}.claim`, claim));
        requiredClaims.set(claim, requiredValue ?? '');
      } else if (expression) {
        if (requiredValue)
          this.invalid(`${at}.requiredValue`, requiredValue, 'may not be specified when expression is set');
        this.#rule(claimRules, { expression, message }, 'claims', at);
      } else this.errors.push(required(at, 'claim or expression is required'));
    }
    return {
      requiredClaims: [...requiredClaims].map(([claim, value]) => ({ claim, value })),
      claimRules: [...claimRules.values()],
    };
  }

  #userRules(rules: NonNullable<JwtAuthenticator['userValidationRules']>, path: string): CompiledRule[] {
    const compiled = new Map<string, CompiledRule>();
    for (const [index, { expression, message = '' }] of rules.entries()) {
      const at = `${path}[${index}]`;
      if (expression) this.#rule(compiled, { expression, message }, 'user', at);
      else this.errors.push(required(`${at}.expression`));
    }
    return [...compiled.values()];
  }

  #rule(
    rules: Map<string, CompiledRule>,
    { expression, message }: { expression: string; message: string },
    variable: string,
    path: string,
  ): void {
    const field = `${path}.expression`;
    if (rules.has(expression)) return void this.errors.push(duplicate(field, expression));
    const program = this.#compile(expression, variable, field);
    if (!program) return;
    if (program.resultType !== 'bool') this.invalid(field, expression, 'must evaluate to bool');
    rules.set(expression, { program, message });
  }

  #mappings(
    { username = {}, groups = {}, uid = {}, extra = [] }: NonNullable<JwtAuthenticator['claimMappings']>,
    claimRules: readonly CompiledRule[],
    path: string,
  ): Pick<ClaimMapping, 'username' | 'groups' | 'uid' | 'extra'> {
    const name = this.#source(username, `${path}.username`);
    if (!username.claim && !username.expression)
      this.errors.push(required(`${path}.username`, 'claim or expression is required'));
    const mapping = {
      username: name ?? { claim: '' },
      groups: this.#source(groups, `${path}.groups`),
      uid: this.#source({ prefix: '', ...uid }, `${path}.uid`),
      extra: this.#extra(extra, `${path}.extra`),
    };
    const programs = [...mapping.extra, ...claimRules].map(({ program }) => program);
    if (name && 'program' in name) this.#emailIsVerified(name.program, programs, path);
    return mapping;
  }

  #source({ claim, prefix, expression }: PrefixedSource, path: string): ClaimSource | undefined {
    if (claim && expression) this.invalid(path, '', "claim and expression can't both be set");
    else if (expression) {
      if (prefix) this.invalid(`${path}.prefix`, prefix, 'may not be specified when expression is set');
      const program = this.#compile(expression, 'claims', `${path}.expression`);
      return program && { program };
    } else if (claim) {
      if (prefix !== undefined) return { claim, prefix };
      const why =
        'prefix is required when claim is set. It can be set to an empty string to disable prefixing';
      this.errors.push(required(`${path}.prefix`, why));
    }
    return undefined;
  }

  #extra(extra: readonly { key?: string; valueExpression?: string }[], path: string): ClaimMapping['extra'] {
    const compiled = new Map<string, { key: string; program: CelProgram }>();
    const seen = new Set<string>();
    for (const [index, { key = '', valueExpression = '' }] of extra.entries()) {
      const at = `${path}[${index}]`;
      this.#extraKey(key, `${at}.key`);
      if (seen.has(key)) {
        this.errors.push(duplicate(`${at}.key`, key));
        continue;
      }
      seen.add(key);
      if (!valueExpression) this.errors.push(required(`${at}.valueExpression`));
      else {
        const program = this.#compile(valueExpression, 'claims', `${at}.valueExpression`);
        if (program) compiled.set(key, { key, program });
      }
    }
    return [...compiled.values()];
  }

  #extraKey(key: string, field: string): void {
    const slash = key.indexOf('/');
    const [host, rest] = [key.slice(0, slash), key.slice(slash + 1)];
    if (!key) this.errors.push(required(field));
    else if (slash <= 0 || rest === '')
      this.invalid(field, key, 'must be a domain-prefixed path (such as "acme.io/foo")');
    else {
      for (const problem of subdomainProblems(host)) this.invalid(field, host, problem);
      for (const problem of httpPathProblems(rest)) this.invalid(field, rest, problem);
    }
    if (key !== key.toLowerCase()) this.invalid(field, key, 'must be lowercase');
    if (/(^|\.)(k8s|kubernetes)\.io$/.test(host))
      this.invalid(field, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use');
  }

  /** Who is named by an email must have shown that it is theirs. */
  #emailIsVerified(username: CelProgram, others: readonly CelProgram[], path: string): void {
    if (!selects(username.ast, 'email')) return;
    if ([username, ...others].some(({ ast }) => selects(ast, 'email_verified'))) return;
    this.invalid(
      `${path}.username.expression`,
      username.source,
      'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
    );
  }

  #compile(expression: string, variable: string, field: string): CelProgram | undefined {
    return this.compiled(expression, field, () => compileCel(expression, [variable]));
  }
}

/** Whether an expression reads `claims.NAME`, or the optional `claims.?NAME`. */
function selects(ast: unknown, name: string): boolean {
  if (Array.isArray(ast)) return ast.some((part) => selects(part, name));
  if (typeof ast !== 'object' || ast === null) return false;
  const { op, args } = ast as { op?: string; args?: unknown };
  if ((op === '.' || op === '.?') && Array.isArray(args)) {
    const [target, field] = args as [{ op?: string; args?: unknown }, unknown];
    if (target?.op === 'id' && target.args === 'claims' && field === name) return true;
  }
  return selects(args, name);
}

function holdsCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.length > 0 && blocks.every(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    // That it cannot be read is the answer.
    return false;
  }
}
