/** Labels of nodes that are on their way out, and the warnings for who selects nodes by them. */
import type { LabelSelector } from '../meta.ts';
import type { NodeSelectorTerm } from '../types/core-v1.gen.ts';
import { labelValueProblems } from './names.ts';

const oldNodeLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region':
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone':
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type':
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods':
    'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};

/** What to use instead; undefined for a label that may be used. */
export function oldNodeLabel(key: string): string | undefined {
  return Object.hasOwn(oldNodeLabels, key) ? oldNodeLabels[key] : undefined;
}

export function* nodeTermWarnings(term: NodeSelectorTerm | undefined, field: string): Iterable<string> {
  for (const [index, { key }] of (term?.matchExpressions ?? []).entries())
    yield* keyWarnings(key, `${field}.matchExpressions[${index}].key`);
}

/** A term that only prefers nodes is accepted with values that no label can have. */
export function* preferredTermWarnings(term: NodeSelectorTerm | undefined, field: string): Iterable<string> {
  for (const [index, { key, values }] of (term?.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    yield* keyWarnings(key, `${path}.key`);
    for (const [at, value] of (values ?? []).entries())
      for (const problem of labelValueProblems(value))
        yield `${path}.values[${at}]: ${value} is invalid, ${problem}`;
  }
}

export function* nodeSelectorWarnings(selector: LabelSelector | undefined, field: string): Iterable<string> {
  for (const [index, { key }] of (selector?.matchExpressions ?? []).entries())
    yield* keyWarnings(key, `${field}.matchExpressions[${index}].key`);
  for (const key in selector?.matchLabels) {
    const why = oldNodeLabel(key);
    if (why) yield `${field}.matchLabels.${key}: ${why}`;
  }
}

function* keyWarnings(key: string, field: string): Iterable<string> {
  const why = oldNodeLabel(key);
  if (why) yield `${field}: ${key} is ${why}`;
}
