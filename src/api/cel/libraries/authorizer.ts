/** Kubernetes' questions about access: `authorizer.group("").resource("pods").namespace("n").check("get").allowed()`. */
import type { Environment } from '@marcbachmann/cel-js';

export interface AccessQuestion {
  isResource: boolean;
  path: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  verb: string;
}

export interface AccessAnswer {
  allowed: boolean;
  reason?: string;
  evaluationError?: string;
}

/** Answers for the user of the request, or for a service account in their place. */
export type AskAccess = (
  question: AccessQuestion,
  serviceAccount: { namespace: string; name: string } | undefined,
) => AccessAnswer;

const nothing: AccessQuestion = {
  isResource: true,
  path: '',
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  verb: '',
};

/** The value of the variable `authorizer`. */
export class CelAuthorizer {
  readonly ask: AskAccess;
  /** What the request itself is about. */
  readonly requestResource: ResourceCheck;
  readonly account: { namespace: string; name: string } | undefined;

  constructor(
    ask: AskAccess,
    request: Partial<AccessQuestion>,
    account?: { namespace: string; name: string },
  ) {
    this.ask = ask;
    this.account = account;
    this.requestResource = new ResourceCheck(this.#check, { ...nothing, ...request });
  }

  readonly #check = (question: AccessQuestion) => this.ask(question, this.account);

  about(question: Partial<AccessQuestion>): ResourceCheck {
    return new ResourceCheck(this.#check, { ...nothing, ...question });
  }
}

type Check = (question: AccessQuestion) => AccessAnswer;

class ResourceCheck {
  readonly check: Check;
  readonly question: AccessQuestion;

  constructor(check: Check, question: AccessQuestion) {
    this.check = check;
    this.question = question;
  }

  with(more: Partial<AccessQuestion>): ResourceCheck {
    return new ResourceCheck(this.check, { ...this.question, ...more });
  }

  decide(verb: string): Decision {
    return new Decision(this.check({ ...this.question, verb }));
  }
}

class GroupCheck extends ResourceCheck {}
class PathCheck extends ResourceCheck {}

class Decision {
  readonly answer: AccessAnswer;
  constructor(answer: AccessAnswer) {
    this.answer = answer;
  }
}

export function registerAuthorizer(environment: Environment): void {
  const [authorizer, path, group, resource, decision] = [
    'kubernetes.authorization.Authorizer',
    'kubernetes.authorization.PathCheck',
    'kubernetes.authorization.GroupCheck',
    'kubernetes.authorization.ResourceCheck',
    'kubernetes.authorization.Decision',
  ];
  environment
    .registerType(resource, ResourceCheck)
    .registerType(group, GroupCheck)
    .registerType(path, PathCheck)
    .registerType(decision, Decision)
    .registerType(authorizer, { ctor: CelAuthorizer, fields: { requestResource: resource } } as never)
    .registerFunction(`${authorizer}.path(string): ${path}`, (self: CelAuthorizer, text: string) => {
      const { check, question } = self.about({ isResource: false, path: text });
      return new PathCheck(check, question);
    })
    .registerFunction(`${authorizer}.group(string): ${group}`, (self: CelAuthorizer, text: string) => {
      const { check, question } = self.about({ group: text });
      return new GroupCheck(check, question);
    })
    .registerFunction(
      `${authorizer}.serviceAccount(string, string): ${authorizer}`,
      (self: CelAuthorizer, namespace: string, name: string) =>
        new CelAuthorizer(self.ask, self.requestResource.question, { namespace, name }),
    )
    .registerFunction(
      `${group}.resource(string): ${resource}`,
      (self: GroupCheck, text: string) => new ResourceCheck(self.check, { ...self.question, resource: text }),
    )
    .registerFunction(`${path}.check(string): ${decision}`, (self: PathCheck, verb: string) =>
      self.decide(verb),
    )
    .registerFunction(`${resource}.check(string): ${decision}`, (self: ResourceCheck, verb: string) =>
      self.decide(verb),
    )
    .registerFunction(`${decision}.allowed(): bool`, ({ answer }: Decision) => answer.allowed)
    .registerFunction(`${decision}.reason(): string`, ({ answer }: Decision) => answer.reason ?? '')
    .registerFunction(
      `${decision}.errored(): bool`,
      ({ answer }: Decision) => !answer.allowed && answer.evaluationError !== undefined,
    )
    .registerFunction(`${decision}.error(): string`, ({ answer }: Decision) =>
      answer.allowed ? '' : (answer.evaluationError ?? ''),
    );
  for (const name of ['subresource', 'namespace', 'name'] as const)
    environment.registerFunction(
      `${resource}.${name}(string): ${resource}`,
      (self: ResourceCheck, text: string) => self.with({ [name]: text }),
    );
  // Selectors narrow a question; permission for all implies permission for some, and no authorizer here distinguishes
  // more.
  for (const name of ['fieldSelector', 'labelSelector'])
    environment.registerFunction(`${resource}.${name}(string): ${resource}`, (self: ResourceCheck) => self);
}
