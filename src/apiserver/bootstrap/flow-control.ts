/** The flow schemas and priority levels that every cluster has, with upstream's numbers. */

import {
  everybody,
  everything,
  groups,
  mandatoryLevels,
  mandatorySchemas,
} from '../../api/flowcontrol/mandatory.ts';
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import type {
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../api/types/flowcontrol-v1.gen.ts';
import { changeOwn, deleteOwn, differs, ensureObject, resourceOf, storedDraft } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';

/** Marks an object as unchanged by users, so that upgrades may change it. */
const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';
const autoUpdated = { [autoUpdateAnnotation]: 'true' };

interface Level {
  name: string;
  shares: number;
  lendablePercent: number;
  /** Requests beyond the level's share wait in queues; without, they are refused. */
  queues?: number;
  handSize?: number;
}

const queueLength = 50;
const limitedLevels: readonly Level[] = [
  { name: 'global-default', shares: 20, lendablePercent: 50, queues: 128, handSize: 6 },
  { name: 'leader-election', shares: 10, lendablePercent: 0, queues: 16, handSize: 4 },
  { name: 'node-high', shares: 40, lendablePercent: 25, queues: 64, handSize: 6 },
  { name: 'system', shares: 30, lendablePercent: 33, queues: 64, handSize: 6 },
  { name: 'workload-high', shares: 40, lendablePercent: 50, queues: 128, handSize: 6 },
  { name: 'workload-low', shares: 100, lendablePercent: 90, queues: 128, handSize: 6 },
];

type LevelDraft = Draft<PriorityLevelConfiguration>;

function limitedLevel({ name, shares, lendablePercent, queues, handSize }: Level): LevelDraft {
  const limitResponse =
    queues && handSize
      ? { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: queueLength } }
      : { type: 'Reject' };
  return {
    metadata: { name, annotations: autoUpdated },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: shares, lendablePercent, limitResponse } },
  };
}

const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const systemAccount = (name: string): Subject => ({
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name },
});
const leases: ResourcePolicyRule = {
  verbs: ['get', 'create', 'update'],
  apiGroups: ['coordination.k8s.io'],
  resources: ['leases'],
  namespaces: ['*'],
};

interface Schema {
  name: string;
  level: string;
  precedence: number;
  flowsBy?: 'ByUser' | 'ByNamespace';
  subjects: Subject[];
  /** Everything, unless it says what. */
  what?: Omit<PolicyRulesWithSubjects, 'subjects'>;
}

const schemas: readonly Schema[] = [
  {
    name: 'probes',
    level: 'exempt',
    precedence: 2,
    subjects: everybody,
    what: { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] },
  },
  {
    name: 'system-leader-election',
    level: 'leader-election',
    precedence: 100,
    flowsBy: 'ByUser',
    subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), systemAccount('*')],
    what: { resourceRules: [leases] },
  },
  {
    name: 'system-node-high',
    level: 'node-high',
    precedence: 400,
    flowsBy: 'ByUser',
    subjects: groups('system:nodes'),
    what: {
      resourceRules: [
        {
          verbs: ['*'],
          apiGroups: [''],
          resources: ['nodes', 'nodes/status'],
          clusterScope: true,
          namespaces: ['*'],
        },
        { verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] },
      ],
    },
  },
  {
    name: 'system-nodes',
    level: 'system',
    precedence: 500,
    flowsBy: 'ByUser',
    subjects: groups('system:nodes'),
  },
  {
    name: 'kube-controller-manager',
    level: 'workload-high',
    precedence: 800,
    flowsBy: 'ByNamespace',
    subjects: users('system:kube-controller-manager'),
  },
  {
    name: 'kube-scheduler',
    level: 'workload-high',
    precedence: 800,
    flowsBy: 'ByNamespace',
    subjects: users('system:kube-scheduler'),
  },
  {
    name: 'kube-system-service-accounts',
    level: 'workload-high',
    precedence: 900,
    flowsBy: 'ByNamespace',
    subjects: [systemAccount('*')],
  },
  {
    name: 'service-accounts',
    level: 'workload-low',
    precedence: 9_000,
    flowsBy: 'ByUser',
    subjects: groups('system:serviceaccounts'),
  },
  {
    name: 'global-default',
    level: 'global-default',
    precedence: 9_900,
    flowsBy: 'ByUser',
    subjects: everybody,
  },
];

type SchemaDraft = Draft<FlowSchema>;

function mandatoryDrafts<Spec>(specs: ReadonlyMap<string, Spec>) {
  return [...specs].map(([name, spec]) => ({ metadata: { name, annotations: autoUpdated }, spec }));
}

export async function ensureFlowControl(registry: Registry): Promise<void> {
  const levels: LevelDraft[] = [...mandatoryDrafts(mandatoryLevels), ...limitedLevels.map(limitedLevel)];
  const drafts: SchemaDraft[] = [...mandatoryDrafts(mandatorySchemas), ...schemas.map(draftOf)];
  await Promise.all(levels.map((level) => keepBootstrapObject(registry, PriorityLevelConfiguration, level)));
  await Promise.all(drafts.map((schema) => keepBootstrapObject(registry, FlowSchema, schema)));
  await removeFormer(registry, FlowSchema, drafts);
  await removeFormer(registry, PriorityLevelConfiguration, levels);
}

/** Of what the server keeps itself, an earlier version may have had more. */
async function removeFormer<T extends FlowSchema | PriorityLevelConfiguration>(
  registry: Registry,
  type: ResourceType<T>,
  drafts: readonly Draft<T>[],
): Promise<void> {
  const names = new Set(drafts.map(({ metadata }) => metadata.name));
  for (const { object } of [...(resourceOf(registry, type).cache?.values() ?? [])]) {
    const { name, uid, resourceVersion, annotations } = object.metadata;
    if (names.has(name) || annotations?.[autoUpdateAnnotation] !== 'true') continue;
    await deleteOwn(registry, type, name, { uid, resourceVersion });
  }
}

/**
 * Creates the object when it is missing, and restores its spec unless an administrator has taken it over: by the
 * annotation or, without that, by having changed the spec.
 */
async function keepBootstrapObject<T extends FlowSchema | PriorityLevelConfiguration>(
  registry: Registry,
  type: ResourceType<T>,
  draft: Draft<T>,
): Promise<void> {
  if (await ensureObject(registry, type, draft)) return;
  const { name = '' } = draft.metadata;
  const mandatory = type.kind === FlowSchema.kind ? mandatorySchemas : mandatoryLevels;
  const { spec } = storedDraft(registry, type, draft);
  const kept = (object: T): T => {
    const { resourceVersion: _, ...metadata } = object.metadata;
    // Without the mandatory ones some requests would match no schema: what others made of their specs is undone.
    const isOurs = mandatory.has(name) || isAutoUpdated(object);
    const annotations = { ...metadata.annotations, [autoUpdateAnnotation]: String(isOurs) };
    const wanted = isOurs ? { ...spec, ...keptOf(object) } : object.spec;
    return { ...object, metadata: { ...metadata, annotations }, spec: wanted };
  };
  const found = resourceOf(registry, type).cache?.get(name)?.object as T | undefined;
  if (found && !differs(found, kept(found))) return;
  await changeOwn(registry, type, { namespace: '', name }, { next: (current) => kept(current.copy() as T) });
}

/** What the exempt level lends to others is an administrator's to say. */
function keptOf({ metadata, spec }: FlowSchema | PriorityLevelConfiguration): object {
  return metadata.name === 'exempt' && 'exempt' in spec ? { exempt: spec.exempt } : {};
}

function isAutoUpdated({ metadata }: KubeObject): boolean {
  const autoUpdate = metadata.annotations?.[autoUpdateAnnotation];
  if (autoUpdate === 'true' || autoUpdate === 'false') return autoUpdate === 'true';
  return metadata.generation === 1;
}

function draftOf({ name, level, precedence, flowsBy, subjects, what }: Schema): Draft<FlowSchema> {
  return {
    metadata: { name, annotations: autoUpdated },
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(flowsBy && { distinguisherMethod: { type: flowsBy } }),
      rules: [{ subjects, ...(what ?? everything) }],
    },
  };
}
