/** A pod that names its node goes nowhere else. */
import { type Plugin, skip, unresolvable } from '../framework/plugin.ts';

const otherNode = unresolvable("node(s) didn't match the requested node name");

export function nodeName(): Plugin<undefined> {
  return {
    name: 'NodeName',
    isNodeLocal: true,
    retryRules: [{ resource: 'Node', changes: ['add'] }],
    preFilter: ({ pod }) => (pod.spec?.nodeName ? { kind: 'continue', state: undefined } : skip),
    filter: ({ pod }, node) => (pod.spec?.nodeName === node.name ? undefined : otherNode),
  };
}
