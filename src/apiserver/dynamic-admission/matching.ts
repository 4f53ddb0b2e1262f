/** Whether a webhook or a policy is about a request: by rule, by the namespace's labels, by the object's labels. */

import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import { Namespace } from '../../api/resources.gen.ts';
import {
  compileLabelSelector,
  isEmptySelector,
  type LabelPredicate,
} from '../../api/selectors/label-selector.ts';
import type { NamedRuleWithOperations } from '../../api/types/admissionregistration-v1.gen.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';

type Rule = Omit<NamedRuleWithOperations, 'resourceNames'> & { resourceNames?: string[] };

export interface MatchFacts {
  rules: readonly Rule[];
  excludedRules?: readonly Rule[];
  matchPolicy?: 'Equivalent' | 'Exact';
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
}

export interface Matcher {
  /** The version in which the object is to be presented; undefined when the request does not match. */
  match(attributes: AdmissionAttributes): ServedResource | undefined;
}

export interface MatchContext {
  objects: ObjectReader;
  kinds: KindRegistry;
  /** For expressions that ask about access. */
  authorize: Authorizer;
}

export function compileMatcher(
  facts: MatchFacts,
  { objects, kinds }: Pick<MatchContext, 'objects' | 'kinds'>,
): Matcher {
  const namespaceMatches = compileLabelSelector(facts.namespaceSelector ?? {});
  const objectMatches = compileLabelSelector(facts.objectSelector ?? {});
  return {
    match(attributes) {
      const { request } = attributes;
      const excluded = facts.excludedRules?.some((rule) => ruleMatches(rule, attributes, request.resource));
      if (excluded) return undefined;
      const shown = versionFor(facts, attributes, kinds);
      if (!shown) return undefined;
      if (!namespaceLabelsMatch(namespaceMatches, attributes, objects)) return undefined;
      const isSelected =
        isEmptySelector(facts.objectSelector) ||
        labelsMatch(objectMatches, attributes.object) ||
        labelsMatch(objectMatches, attributes.old);
      return isSelected ? shown : undefined;
    },
  };
}

/** With `Equivalent`, a rule for one version of a kind also catches requests in another. */
function versionFor(
  facts: MatchFacts,
  attributes: AdmissionAttributes,
  kinds: KindRegistry,
): ServedResource | undefined {
  const { resource } = attributes.request;
  if (facts.rules.some((rule) => ruleMatches(rule, attributes, resource))) return resource;
  if (facts.matchPolicy === 'Exact') return undefined;
  for (const other of kinds.all()) {
    if (other === resource || other.definition !== resource.definition) continue;
    if (facts.rules.some((rule) => ruleMatches(rule, attributes, other))) return other;
  }
  return undefined;
}

function ruleMatches(
  rule: Rule,
  { operation, request, name }: AdmissionAttributes,
  resource: ServedResource,
): boolean {
  const { resourceNames } = rule;
  return (
    includesOrAll(rule.operations, operation) &&
    includesOrAll(rule.apiGroups, resource.group) &&
    includesOrAll(rule.apiVersions, resource.version) &&
    scopeMatches(rule.scope, resource) &&
    (rule.resources ?? []).some((pattern) =>
      resourceMatches(pattern, resource.plural, request.subresource),
    ) &&
    (!resourceNames?.length || resourceNames.includes(name))
  );
}

function includesOrAll(items: readonly string[] | undefined, item: string): boolean {
  return items !== undefined && (items.includes('*') || items.includes(item));
}

function scopeMatches(scope: Rule['scope'], { namespaced, kind, group }: ServedResource): boolean {
  if (!scope || scope === '*') return true;
  const isNamespaced = namespaced && !(kind === 'Namespace' && group === '');
  return scope === (isNamespaced ? 'Namespaced' : 'Cluster');
}

/** `pods`, `pods/status`, `pods/*`, a star for all resources, and a star on both sides of a slash for all subresources too. */
function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  const [resourcePattern = '', subresourcePattern] = pattern.split('/');
  if (resourcePattern !== '*' && resourcePattern !== plural) return false;
  if (subresourcePattern === undefined) return subresource === '';
  return subresourcePattern === '*' || subresourcePattern === subresource;
}

/** The options of a connection have no metadata, so no selector of labels is about them. */
function labelsMatch(predicate: LabelPredicate, object: KubeObject | undefined): boolean {
  return object?.metadata !== undefined && predicate(object.metadata.labels);
}

/**
 * Cluster-scoped objects have no namespace to be chosen by, but a Namespace is matched by its own labels: by those that it
 * is to have, unless a subresource of it is written.
 */
function namespaceLabelsMatch(
  predicate: LabelPredicate,
  { request, object, old }: AdmissionAttributes,
  objects: ObjectReader,
): boolean {
  const { resource, namespace } = request;
  if (resource.kind === 'Namespace' && resource.group === '')
    return predicate((request.subresource ? old : (object ?? old))?.metadata.labels);
  if (!namespace) return true;
  return predicate(objects.get(Namespace, '', namespace)?.metadata.labels);
}
