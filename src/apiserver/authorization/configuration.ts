/** Reads upstream's AuthorizationConfiguration: which authorizers are asked, and in which order. */
import { checkExpression } from '../../api/cel/check/check.ts';
import { typeOfNode } from '../../api/cel/check/node-types.ts';
import type { CelType } from '../../api/cel/check/types.ts';
import { type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { schemaNode } from '../../api/schema/schemas.ts';
import { duplicate, notSupported, required, tooMany } from '../../api/validation/field-error.ts';
import { subdomainProblems } from '../../api/validation/names.ts';
import { type Shape, throwAll } from '../../base/text/configuration-shape.ts';
import { parseGoDuration } from '../../base/text/go-duration.ts';
import { ConfigurationReader, decodeConfiguration } from '../access-configuration.ts';

const authorizerTypes = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const;
export type AuthorizerType = (typeof authorizerTypes)[number];

export type AuthorizerEntry =
  | { type: Exclude<AuthorizerType, 'Webhook' | 'ABAC'>; name: string }
  | { type: 'Webhook'; name: string; webhook: WebhookSettings };

export interface WebhookSettings {
  /** 0: such answers are not remembered. */
  authorizedTtlMs: number;
  unauthorizedTtlMs: number;
  timeoutMs: number;
  version: 'v1' | 'v1beta1';
  onFailure: 'NoOpinion' | 'Deny';
  kubeconfigFile: string;
  conditions: readonly CelProgram[];
}

interface Document {
  authorizers?: { type?: string; name?: string; webhook?: WebhookDocument }[];
}

interface WebhookDocument {
  authorizedTTL?: string;
  cacheAuthorizedRequests?: boolean;
  unauthorizedTTL?: string;
  cacheUnauthorizedRequests?: boolean;
  timeout?: string;
  subjectAccessReviewVersion?: string;
  matchConditionSubjectAccessReviewVersion?: string;
  failurePolicy?: string;
  connectionInfo?: { type?: string; kubeConfigFile?: string };
  matchConditions?: { expression?: string }[];
}

/** What a condition speaks of. */
function conditionVariables(): ReadonlyMap<string, CelType> {
  const spec = schemaNode('io.k8s.api.authorization.v1.SubjectAccessReviewSpec');
  return new Map([['request', typeOfNode(spec, 'kubernetes.SubjectAccessReviewSpec')!]]);
}

const shape: Shape = {
  apiVersion: 'text',
  kind: 'text',
  authorizers: [
    {
      type: 'text',
      name: 'text',
      webhook: {
        authorizedTTL: 'text',
        cacheAuthorizedRequests: 'flag',
        unauthorizedTTL: 'text',
        cacheUnauthorizedRequests: 'flag',
        timeout: 'text',
        subjectAccessReviewVersion: 'text',
        matchConditionSubjectAccessReviewVersion: 'text',
        failurePolicy: 'text',
        connectionInfo: { type: 'text', kubeConfigFile: 'text' },
        matchConditions: [{ expression: 'text' }],
      },
    },
  ],
};

const conditionsMax = 64;
const timeoutMsMax = 30_000;
const ttlDefaults = { authorizedTTL: '5m', unauthorizedTTL: '30s' };

/**
 * `fileProblem`: why a path names no readable file; undefined when it does.
 * @throws Error with everything that is wrong, in upstream's words
 */
export function readAuthorizationConfiguration(
  value: unknown,
  fileProblem: (path: string) => string | undefined,
): AuthorizerEntry[] {
  const document = decodeConfiguration('AuthorizationConfiguration', shape, value) as Document;
  const reader = new AuthorizationReader(fileProblem);
  const entries = reader.read(document);
  throwAll(reader.errors.map(({ text }) => text));
  throwAll(entries.flatMap(nameProblem));
  return entries;
}

/** There is one of each but webhooks, and it is named by its type. */
function nameProblem({ type, name }: AuthorizerEntry): string[] {
  const expected = type.toLowerCase();
  return type === 'Webhook' || name === expected
    ? []
    : [`expected name ${expected} for authorizer ${type} instead of ${name}`];
}

class AuthorizationReader extends ConfigurationReader {
  readonly #fileProblem: (path: string) => string | undefined;

  constructor(fileProblem: (path: string) => string | undefined) {
    super();
    this.#fileProblem = fileProblem;
  }

  read({ authorizers = [] }: Document): AuthorizerEntry[] {
    if (authorizers.length === 0)
      this.errors.push(required('authorizers', 'at least one authorization mode must be defined'));
    const entries: AuthorizerEntry[] = [];
    const names = new Set<string>();
    for (const [index, { type = '', name = '', webhook }] of authorizers.entries()) {
      const path = `authorizers[${index}]`;
      if (!this.#type(type, entries, `${path}.type`)) continue;
      this.#name(name, names, `${path}.name`);
      names.add(name);
      if (type === 'Webhook') {
        if (webhook) entries.push({ type, name, webhook: this.#webhook(webhook, path) });
        else this.errors.push(required(`${path}.webhook`, 'required when type=Webhook'));
        continue;
      }
      if (webhook) this.invalid(`${path}.webhook`, 'non-null', 'may only be specified when type=Webhook');
      if (type === 'ABAC')
        this.invalid(`${path}.type`, type, 'not allowed: there is no policy file of this server');
      else entries.push({ type, name });
    }
    return entries;
  }

  #type(type: string, before: readonly AuthorizerEntry[], field: string): type is AuthorizerType {
    if (!type) this.errors.push(required(field));
    else if (!authorizerTypes.some((known) => known === type))
      this.errors.push(notSupported(field, type, authorizerTypes));
    else if (type !== 'Webhook' && before.some((entry) => entry.type === type))
      this.errors.push(duplicate(field, type));
    else return true;
    return false;
  }

  #name(name: string, seen: ReadonlySet<string>, field: string): void {
    if (!name) return void this.errors.push(required(field));
    if (seen.has(name)) return void this.errors.push(duplicate(field, name));
    const problems = subdomainProblems(name);
    if (problems.length > 0) this.invalid(field, name, `authorizer name is invalid: ${problems.join(', ')}`);
  }

  #webhook(webhook: WebhookDocument, path: string): WebhookSettings {
    const { cacheAuthorizedRequests = true, cacheUnauthorizedRequests = true } = webhook;
    const ttl = (name: 'authorizedTTL' | 'unauthorizedTTL') =>
      this.#duration(webhook[name] ?? ttlDefaults[name], `${path}.${name}`);
    const [authorizedTtlMs, unauthorizedTtlMs] = [ttl('authorizedTTL'), ttl('unauthorizedTTL')];
    return {
      timeoutMs: this.#duration(webhook.timeout ?? '0', `${path}.timeout`, timeoutMsMax),
      authorizedTtlMs: cacheAuthorizedRequests ? authorizedTtlMs : 0,
      unauthorizedTtlMs: cacheUnauthorizedRequests ? unauthorizedTtlMs : 0,
      version: this.#oneOf(
        webhook.subjectAccessReviewVersion,
        ['v1', 'v1beta1'],
        `${path}.subjectAccessReviewVersion`,
      ),
      onFailure: this.#oneOf(webhook.failurePolicy, ['NoOpinion', 'Deny'], `${path}.failurePolicy`),
      kubeconfigFile: this.#connection(webhook.connectionInfo ?? {}, `${path}.connectionInfo`),
      conditions: this.#conditions(webhook, path),
    };
  }

  /** Milliseconds. */
  #duration(text: string, field: string, maxMs?: number): number {
    const valueMs = parseGoDuration(text);
    if (typeof valueMs !== 'number') this.invalid(field, text, valueMs.error);
    else if (valueMs === 0) this.errors.push(required(field));
    else if (valueMs < 0 || (maxMs !== undefined && valueMs > maxMs))
      this.invalid(
        field,
        text,
        maxMs === undefined ? 'must be > 0s' : `must be > 0s and <= ${maxMs / 1000}s`,
      );
    else return valueMs;
    return 0;
  }

  #oneOf<Value extends string>(value: string | undefined, known: readonly Value[], field: string): Value {
    const found = known.find((one) => one === value);
    if (!value) this.errors.push(required(field));
    else if (!found) this.errors.push(notSupported(field, value, known));
    return found ?? known[0]!;
  }

  #connection({ type, kubeConfigFile }: { type?: string; kubeConfigFile?: string }, path: string): string {
    const field = `${path}.kubeConfigFile`;
    const known = this.#oneOf(type, ['KubeConfigFile', 'InClusterConfig'], `${path}.type`);
    if (known === 'InClusterConfig') {
      this.invalid(`${path}.type`, known, 'the API server is no workload of a cluster: use KubeConfigFile');
      return '';
    }
    if (!kubeConfigFile) this.errors.push(required(field));
    else if (!kubeConfigFile.startsWith('/')) this.invalid(field, kubeConfigFile, 'must be an absolute path');
    else {
      const problem = this.#fileProblem(kubeConfigFile);
      if (problem) this.invalid(field, kubeConfigFile, problem);
    }
    return kubeConfigFile ?? '';
  }

  #conditions(
    { matchConditions = [], matchConditionSubjectAccessReviewVersion: version }: WebhookDocument,
    path: string,
  ): CelProgram[] {
    const versionField = `${path}.matchConditionSubjectAccessReviewVersion`;
    if (version) this.#oneOf(version, ['v1'], versionField);
    else if (matchConditions.length > 0)
      this.errors.push(required(versionField, 'required if match conditions are specified'));
    if (matchConditions.length > conditionsMax) {
      this.errors.push(tooMany(`${path}.matchConditions`, matchConditions.length, conditionsMax));
      return [];
    }
    const programs = new Map<string, CelProgram | undefined>();
    for (const [index, { expression = '' }] of matchConditions.entries()) {
      const field = `${path}.matchConditions[${index}].expression`;
      if (!expression.trim()) this.errors.push(required(field));
      else if (programs.has(expression)) this.errors.push(duplicate(field, expression));
      else programs.set(expression, this.#compile(expression, field));
    }
    return [...programs.values()].filter((program) => program !== undefined);
  }

  #compile(expression: string, field: string): CelProgram | undefined {
    return this.compiled(expression, field, () => {
      const program = compileCel(expression, ['request']);
      const { type, problems } = checkExpression(expression, conditionVariables());
      if (problems.length > 0) this.invalid(field, expression, `compilation failed: ${problems.join('\n')}`);
      else if (type?.kind !== 'bool') this.invalid(field, expression, 'must evaluate to bool');
      return program;
    });
  }
}
