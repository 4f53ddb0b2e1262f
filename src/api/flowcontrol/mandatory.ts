/**
 * What no cluster is without: the level that exempts, the level for what no other takes, and the schemas that lead to them.
 * Nobody may give them another spec.
 */
import type { FlowSchema, PriorityLevelConfiguration } from '../resources.gen.ts';
import type { PolicyRulesWithSubjects, Subject } from '../types/flowcontrol-v1.gen.ts';

/** All requests. */
export const everything: Omit<PolicyRulesWithSubjects, 'subjects'> = {
  resourceRules: [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] },
  ],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

export function groups(...names: string[]): Subject[] {
  return names.map((name) => ({ kind: 'Group', group: { name } }));
}

export const everybody = groups('system:unauthenticated', 'system:authenticated');

export const mandatoryLevels: ReadonlyMap<string, NonNullable<PriorityLevelConfiguration['spec']>> = new Map([
  ['exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }],
  [
    'catch-all',
    {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
    },
  ],
]);

export const mandatorySchemas: ReadonlyMap<string, NonNullable<FlowSchema['spec']>> = new Map([
  [
    'exempt',
    {
      priorityLevelConfiguration: { name: 'exempt' },
      matchingPrecedence: 1,
      rules: [{ subjects: groups('system:masters'), ...everything }],
    },
  ],
  [
    'catch-all',
    {
      priorityLevelConfiguration: { name: 'catch-all' },
      matchingPrecedence: 10_000,
      distinguisherMethod: { type: 'ByUser' },
      rules: [{ subjects: everybody, ...everything }],
    },
  ],
]);
