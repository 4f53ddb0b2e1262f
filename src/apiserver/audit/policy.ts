/**
 * An audit policy in upstream's format: rules in order, of which the first that matches decides how much is written.
 */
import {
  type FieldErrors,
  invalidValue,
  notSupportedInOrder,
  required,
} from '../../api/validation/field-error.ts';
import { subdomainProblems } from '../../api/validation/names.ts';
import { misfits, type Shape, throwAll, withoutNulls } from '../../base/text/configuration-shape.ts';
import type { RequestInfo, UserInfo } from '../request.ts';

export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

export interface AuditRule {
  level: AuditLevel;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: { group?: string; resources?: string[]; resourceNames?: string[] }[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: AuditStage[];
  /** In place of the policy's. */
  omitManagedFields?: boolean;
}

export interface AuditPolicy {
  rules: AuditRule[];
  omitStages?: AuditStage[];
  /** Whether objects are written without their managed fields. */
  omitManagedFields?: boolean;
}

const levels: readonly AuditLevel[] = ['None', 'Metadata', 'Request', 'RequestResponse'];
const stages: readonly AuditStage[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];
const versions = ['audit.k8s.io/v1', 'audit.k8s.io/v1beta1', 'audit.k8s.io/v1alpha1'];

const shape: Shape = {
  apiVersion: 'text',
  kind: 'text',
  metadata: 'anything',
  omitStages: ['text'],
  omitManagedFields: 'flag',
  rules: [
    {
      level: 'text',
      users: ['text'],
      userGroups: ['text'],
      verbs: ['text'],
      resources: [{ group: 'text', resources: ['text'], resourceNames: ['text'] }],
      namespaces: ['text'],
      nonResourceURLs: ['text'],
      omitStages: ['text'],
      omitManagedFields: 'flag',
    },
  ],
};

/** Unknown fields are ignored, as by upstream. @throws Error with everything that is wrong */
export function parseAuditPolicy(value: unknown): AuditPolicy {
  const { apiVersion, kind } = (value ?? {}) as Record<string, unknown>;
  if (kind !== 'Policy' || !versions.includes(String(apiVersion)))
    throw new Error('an audit policy is of apiVersion audit.k8s.io/v1 and kind Policy');
  throwAll(misfits(shape, value as object));
  const policy = withoutNulls(value) as AuditPolicy;
  const { rules = [], omitStages = [] } = policy;
  throwAll(
    [
      ...stageErrors(omitStages, 'omitStages'),
      ...rules.flatMap((rule, index) => [...ruleErrors(rule, `rules[${index}]`)]),
    ].map(({ text }) => text),
  );
  if (rules.length === 0) throw new Error('loaded illegal policy with 0 rules');
  return policy;
}

function* ruleErrors(rule: AuditRule, path: string): FieldErrors {
  const { level, nonResourceURLs = [], resources = [], namespaces = [], omitStages = [] } = rule;
  if (!level) yield required(`${path}.level`);
  else if (!levels.includes(level)) yield notSupportedInOrder(`${path}.level`, level, levels);
  yield* urlErrors(nonResourceURLs, `${path}.nonResourceURLs`);
  for (const { group = '', resources: named = [], resourceNames = [] } of resources) {
    const problems = group ? subdomainProblems(group) : [];
    if (problems.length > 0) yield invalidValue(`${path}.resources.group`, group, problems.join(','));
    if (resourceNames.length > 0 && named.length === 0)
      yield invalidValue(
        `${path}.resources.resourceNames`,
        resourceNames,
        'using resourceNames requires at least one resource',
      );
  }
  yield* stageErrors(omitStages, `${path}.omitStages`);
  if (nonResourceURLs.length > 0 && resources.length + namespaces.length > 0)
    yield invalidValue(
      `${path}.nonResourceURLs`,
      nonResourceURLs,
      'rules cannot apply to both regular resources and non-resource URLs',
    );
}

function* urlErrors(urls: readonly string[], path: string): FieldErrors {
  for (const [index, url] of urls.entries()) {
    if (url === '*') continue;
    const field = `${path}[${index}]`;
    if (!url.startsWith('/'))
      yield invalidValue(field, url, "non-resource URL rules must begin with a '/' character");
    if (url.slice(0, -1).includes('*'))
      yield invalidValue(
        field,
        url,
        "non-resource URL wildcards '*' must be the final character of the rule",
      );
  }
}

function* stageErrors(omitted: readonly AuditStage[], path: string): FieldErrors {
  for (const [index, stage] of omitted.entries())
    if (!stages.includes(stage))
      yield invalidValue(`${path}[${index}]`, stage, `allowed stages are ${stages.join(',')}`);
}

/** What to write of a request; a request that no rule matches is not written. */
export function auditRuleFor(policy: AuditPolicy, info: RequestInfo, user: UserInfo): AuditRule {
  return policy.rules.find((rule) => matches(rule, info, user)) ?? { level: 'None' };
}

function matches(rule: AuditRule, info: RequestInfo, user: UserInfo): boolean {
  if (rule.users?.length && !rule.users.includes(user.name)) return false;
  if (rule.userGroups?.length && !rule.userGroups.some((group) => user.groups.includes(group))) return false;
  if (rule.verbs?.length && !rule.verbs.includes(info.verb)) return false;
  if (rule.resources?.length || rule.namespaces?.length)
    return info.isResource && matchesResource(rule, info);
  if (rule.nonResourceURLs?.length) {
    return !info.isResource && rule.nonResourceURLs.some((pattern) => matchesPath(pattern, info.path));
  }
  return true;
}

function matchesResource(rule: AuditRule, info: RequestInfo): boolean {
  if (rule.namespaces?.length && !rule.namespaces.includes(info.namespace)) return false;
  if (!rule.resources?.length) return true;
  const full = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  return rule.resources.some(({ group = '', resources = [], resourceNames = [] }) => {
    if (group !== info.group) return false;
    if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
    const wanted = (pattern: string) =>
      pattern === '*' ||
      pattern === full ||
      pattern === `${info.resource}/*` ||
      (info.subresource !== '' && pattern === `*/${info.subresource}`);
    return resources.length === 0 || resources.some(wanted);
  });
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}
