/** An audit policy as upstream's files state it: rules in order, the first that matches says how much is written. */
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
}

export interface AuditPolicy {
  rules: AuditRule[];
  omitStages?: AuditStage[];
}

const levels: readonly string[] = ['None', 'Metadata', 'Request', 'RequestResponse'];

/** @throws Error naming the rule that cannot be. */
export function parseAuditPolicy(value: unknown): AuditPolicy {
  const { apiVersion, kind, rules, omitStages } = (value ?? {}) as Record<string, unknown>;
  if (kind !== 'Policy' || !String(apiVersion).startsWith('audit.k8s.io/')) {
    throw new Error('an audit policy is of apiVersion audit.k8s.io/v1 and kind Policy');
  }
  if (!Array.isArray(rules) || rules.length === 0) throw new Error('an audit policy needs at least one rule');
  for (const [index, rule] of rules.entries()) {
    if (!levels.includes((rule as AuditRule)?.level)) {
      throw new Error(
        `rules[${index}].level: ${JSON.stringify(rule?.level)} is not one of ${levels.join(', ')}`,
      );
    }
  }
  return {
    rules: rules as AuditRule[],
    ...(Array.isArray(omitStages) && { omitStages: omitStages as AuditStage[] }),
  };
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
