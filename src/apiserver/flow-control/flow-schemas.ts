/** Which FlowSchema a request belongs to: the first, by precedence, whose rules name its user and what it asks for. */
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import type {
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../api/types/flowcontrol-v1.gen.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { RequestInfo, UserInfo } from '../request.ts';

export interface Flow {
  /** Of one schema and, as that says, of one user or namespace: its requests wait behind one another. */
  id: string;
  /** The distinguishing user or namespace; empty when the schema distinguishes none. */
  distinguisher: string;
  schema: FlowSchema;
  level: PriorityLevelConfiguration;
}

const precedenceDefault = 1_000;

export class FlowSchemas {
  readonly #objects: ObjectReader;
  #changes = -1;
  #known: readonly Omit<Flow, 'id' | 'distinguisher'>[] = [];

  constructor(objects: ObjectReader) {
    this.#objects = objects;
  }

  /** Undefined when no schema matches. */
  flowOf(user: UserInfo, info: RequestInfo): Flow | undefined {
    const found = this.#current().find(({ schema }) =>
      (schema.spec.rules ?? []).some((rule) => matchesRule(rule, user, info)),
    );
    if (!found) return undefined;
    const { spec, metadata } = found.schema;
    const by = spec.distinguisherMethod?.type;
    const part = by === 'ByUser' ? user.name : by === 'ByNamespace' ? info.namespace : '';
    return { id: `${metadata.name}/${part}`, distinguisher: part, ...found };
  }

  /** Schemas whose level exists, in order of precedence. */
  #current(): readonly Omit<Flow, 'id' | 'distinguisher'>[] {
    const changes = this.#objects.changesOf(FlowSchema) + this.#objects.changesOf(PriorityLevelConfiguration);
    if (changes === this.#changes) return this.#known;
    this.#changes = changes;
    const precedenceOf = ({ spec }: FlowSchema) => spec.matchingPrecedence ?? precedenceDefault;
    const schemas = [...this.#objects.list<FlowSchema>(FlowSchema)].sort(
      (a, b) => precedenceOf(a) - precedenceOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1),
    );
    this.#known = schemas.flatMap((schema) => {
      const { name } = schema.spec.priorityLevelConfiguration;
      const level = this.#objects.get(PriorityLevelConfiguration, '', name);
      return level ? [{ schema, level }] : [];
    });
    return this.#known;
  }
}

function matchesRule(rule: PolicyRulesWithSubjects, user: UserInfo, info: RequestInfo): boolean {
  if (!rule.subjects.some((subject) => isAbout(subject, user))) return false;
  return info.isResource
    ? (rule.resourceRules ?? []).some((resources) => matchesResources(resources, info))
    : (rule.nonResourceRules ?? []).some((urls) => matchesUrls(urls, info));
}

function isAbout({ user: named, group, serviceAccount }: Subject, user: UserInfo): boolean {
  if (named) return named.name === '*' || named.name === user.name;
  if (group) return group.name === '*' || user.groups.includes(group.name);
  if (!serviceAccount) return false;
  const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
  return serviceAccount.name === '*'
    ? user.name.startsWith(prefix)
    : user.name === prefix + serviceAccount.name;
}

function matchesResources(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  if (!includes(rule.verbs, info.verb) || !includes(rule.apiGroups, info.group)) return false;
  if (!includes(rule.resources, resource)) return false;
  return info.namespace === '' ? rule.clusterScope === true : includes(rule.namespaces ?? [], info.namespace);
}

function matchesUrls({ verbs, nonResourceURLs }: NonResourcePolicyRule, info: RequestInfo): boolean {
  if (!includes(verbs, info.verb)) return false;
  return nonResourceURLs.some(
    (url) =>
      url === '*' || url === info.path || (url.endsWith('/*') && info.path.startsWith(url.slice(0, -1))),
  );
}

function includes(names: readonly string[], name: string): boolean {
  return names.includes('*') || names.includes(name);
}
