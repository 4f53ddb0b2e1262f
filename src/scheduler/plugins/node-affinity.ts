/** nodeSelector and required node affinity decide where a pod may go; preferred affinity, where it would rather go. */

import type { Node, Pod } from '../../api/resources.gen.ts';
import {
  compileNodeSelectorTerm,
  compilePodNodeSelector,
  type NodePredicate,
} from '../../api/selectors/node-selector.ts';
import { normalizeToMax, type Plugin, skip, unresolvable } from '../framework/plugin.ts';

const mismatch = unresolvable("node(s) didn't match Pod's node affinity/selector");
const conflict = unresolvable('pod affinity terms conflict');

interface Preference {
  weight: number;
  matches: NodePredicate;
}

export function nodeAffinity(): Plugin<NodePredicate, readonly Preference[]> {
  return {
    name: 'NodeAffinity',
    isNodeLocal: true,
    retryRules: [
      {
        resource: 'Node',
        changes: ['add', 'labels'],
        helps: ({ pod }, { old, current }) => {
          const matches = compilePodNodeSelector(pod);
          return !matches || (matches(current as Node) && !(old && matches(old as Node)));
        },
      },
    ],
    preFilter({ pod }) {
      const state = compilePodNodeSelector(pod);
      if (!state) return skip;
      const nodeNames = requiredNodeNames(pod);
      if (nodeNames?.size === 0) return { kind: 'reject', rejection: conflict };
      return { kind: 'continue', state, ...(nodeNames && { nodeNames }) };
    },
    filter: (_, { node }, matches) => (matches(node) ? undefined : mismatch),
    preScore({ pod }) {
      const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
      if (!preferred?.length) return skip;
      const state = preferred.map(({ weight, preference }) => ({
        weight,
        matches: compileNodeSelectorTerm(preference),
      }));
      return { kind: 'continue', state };
    },
    score(_, { node }, preferences) {
      let score = 0;
      for (const { weight, matches } of preferences) if (matches(node)) score += weight;
      return score;
    },
    normalize: (scores) => normalizeToMax(scores, { reverse: false }),
  };
}

/**
 * The only nodes that can match the required terms, when every term names some: as for pods of a DaemonSet, for which
 * one node is then evaluated instead of all.
 */
function requiredNodeNames(pod: Pod): Set<string> | undefined {
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!terms?.length) return undefined;
  const names = new Set<string>();
  for (const term of terms) {
    const named = (term.matchFields ?? [])
      .filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
      .map(({ values }) => values ?? []);
    if (named.length === 0) return undefined;
    for (const name of named[0]!) if (named.every((values) => values.includes(name))) names.add(name);
  }
  return names;
}
