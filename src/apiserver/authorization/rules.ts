/** RBAC's rules by themselves: what a rule allows, what a user's rules cover, how a rule is printed. */
import type { Role } from '../../api/resources.gen.ts';
import type { Attributes } from './authorizer.ts';

export type PolicyRule = NonNullable<Role['rules']>[number];

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!hasVerb(rule, attributes.verb)) return false;
  if (!attributes.isResource)
    return (rule.nonResourceURLs ?? []).some((pattern) => matchesPath(pattern, attributes.path));
  const { group, resource, subresource, name } = attributes;
  return (
    includesOrAll(rule.apiGroups, group) &&
    matchesResource(rule.resources, resource, subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name))
  );
}

/** The rules of `asked` that `held` does not cover, split into single permissions: those may not be granted. */
export function uncoveredRules(held: readonly PolicyRule[], asked: readonly PolicyRule[]): PolicyRule[] {
  return asked.flatMap(splitRule).filter((single) => !held.some((rule) => covers(rule, single)));
}

/** Upstream's format for rules that a user lacks. */
export function printRules(rules: readonly PolicyRule[]): string {
  return compactRules(rules).map(printRule).sort().join('\n');
}

/** Permissions that differ only in their verb, as one rule. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const byRest = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { verbs, ...rest } = rule;
    const key = JSON.stringify([rest.apiGroups, rest.resources, rest.resourceNames, rest.nonResourceURLs]);
    const known = byRest.get(key);
    if (known) known.verbs = [...known.verbs, ...verbs.filter((verb) => !known.verbs.includes(verb))];
    else byRest.set(key, { ...rest, verbs: [...verbs] });
  }
  return [...byRest.values()];
}

function printRule(rule: PolicyRule): string {
  const list = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(' ')}]`;
  const parts: string[] = [];
  const add = (label: string, items: readonly string[] | undefined) => {
    if (items?.length) parts.push(`${label}:${list(items)}`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('ResourceNames', rule.resourceNames);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}

function splitRule(rule: PolicyRule): PolicyRule[] {
  const singles: PolicyRule[] = [];
  for (const verb of rule.verbs ?? []) {
    for (const url of rule.nonResourceURLs ?? []) singles.push({ nonResourceURLs: [url], verbs: [verb] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const single = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (rule.resourceNames?.length) {
          for (const name of rule.resourceNames) singles.push({ ...single, resourceNames: [name] });
        } else singles.push(single);
      }
    }
  }
  return singles;
}

function covers(rule: PolicyRule, single: PolicyRule): boolean {
  if (!hasVerb(rule, single.verbs[0]!)) return false;
  const url = single.nonResourceURLs?.[0];
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => matchesPath(pattern, url));
  const [resource, subresource] = splitResource(single.resources![0]!);
  const name = single.resourceNames?.[0];
  return (
    includesOrAll(rule.apiGroups, single.apiGroups![0]!) &&
    matchesResource(rule.resources, resource, subresource) &&
    (!rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name)))
  );
}

function hasVerb(rule: PolicyRule, verb: string): boolean {
  return includesOrAll(rule.verbs, verb);
}

function includesOrAll(items: readonly string[] | undefined, item: string): boolean {
  return items !== undefined && (items.includes(item) || items.includes('*'));
}

// A star alone is every resource with its subresources; a star before a slash is that subresource of every resource.
function matchesResource(
  patterns: readonly string[] | undefined,
  resource: string,
  subresource: string,
): boolean {
  if (!patterns) return false;
  const full = subresource ? `${resource}/${subresource}` : resource;
  return patterns.some(
    (pattern) =>
      pattern === '*' || pattern === full || (subresource !== '' && pattern === `*/${subresource}`),
  );
}

function matchesPath(pattern: string, path: string): boolean {
  return (
    pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)))
  );
}

function splitResource(resource: string): [string, string] {
  const slash = resource.indexOf('/');
  return slash < 0 ? [resource, ''] : [resource.slice(0, slash), resource.slice(slash + 1)];
}
