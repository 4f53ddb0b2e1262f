/** The condition of a DeviceTaintRule: how far the eviction of pods is, or what it would do. */
import { isSelectedBy } from '../../api/resource/device-taints.ts';
import type { DeviceTaintRule, Pod, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import type { Condition } from '../../api/types/meta-v1.gen.ts';
import { newestDevices, planDeviceEviction, type TaintedWorld } from './device-taint-plan.ts';

const evictionInProgress = 'EvictionInProgress';

export interface RuleWorld extends TaintedWorld {
  pods: Iterable<Pod>;
  claims: Iterable<ResourceClaim>;
  slices: Iterable<ResourceSlice>;
}

export function evictionConditionOf({ status }: DeviceTaintRule): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === evictionInProgress);
}

/** `evicted`: pods since the controller started. The answer has no time yet. */
export function planRuleCondition(
  rule: DeviceTaintRule,
  world: RuleWorld,
  evicted: number,
): Omit<Condition, 'lastTransitionTime'> {
  const { status = 'False', reason, message } = stateOf(rule, world, evicted);
  const sentences = [...(message ? [message] : [])];
  if (evicted > 0) sentences.push(`${counted(evicted, 'pod')} evicted since starting the controller.`);
  const { generation } = rule.metadata;
  return {
    type: evictionInProgress,
    status,
    reason,
    message: sentences.join(' '),
    ...(generation !== undefined && { observedGeneration: generation }),
  };
}

interface State {
  status?: 'True';
  reason: string;
  message?: string;
}

function stateOf(rule: DeviceTaintRule, world: RuleWorld, evicted: number): State {
  switch (rule.spec.taint.effect) {
    case 'NoExecute': {
      const { pods, namespaces } = countEvictions(rule, world);
      if (pods === 0) return { reason: evicted > 0 ? 'Completed' : 'NotStarted' };
      const need = pods === 1 ? 'needs' : 'need';
      return {
        status: 'True',
        reason: 'PodsPendingEviction',
        message: `${counted(pods, 'pod')} ${need} to be evicted in ${inNamespaces(namespaces)}.`,
      };
    }
    case 'None':
      return { reason: 'NoEffect', message: simulate(rule, world) };
    default:
      return { reason: 'OtherEffect', message: 'Eviction only happens for the NoExecute effect.' };
  }
}

/** What the rule would do if it had an effect, and nothing else had one. */
function simulate(rule: DeviceTaintRule, world: RuleWorld): string {
  const acting = {
    ...rule,
    spec: { ...rule.spec, taint: { ...rule.spec.taint, effect: 'NoExecute' as const } },
  };
  const { pods, namespaces } = countEvictions(acting, { ...world, rules: [acting] });
  return [
    `${counted(publishedDevices(rule, world.slices), 'published device')} selected.`,
    `${counted(allocatedDevices(rule, world.claims), 'allocated device')} selected.`,
    `${counted(pods, 'pod')} would be evicted in ${inNamespaces(namespaces)} if the effect was NoExecute.`,
    'This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.',
  ].join(' ');
}

function countEvictions(rule: DeviceTaintRule, world: RuleWorld): { pods: number; namespaces: number } {
  const namespaces = new Set<string | undefined>();
  let pods = 0;
  for (const pod of world.pods) {
    if (pod.metadata.deletionTimestamp || !pod.spec?.resourceClaims?.length) continue;
    if (!planDeviceEviction(pod, world)?.rules.has(rule)) continue;
    pods++;
    namespaces.add(pod.metadata.namespace);
  }
  return { pods, namespaces: namespaces.size };
}

function publishedDevices(rule: DeviceTaintRule, slices: Iterable<ResourceSlice>): number {
  const pools = Map.groupBy(slices, ({ spec }) => `${spec.driver}/${spec.pool.name}`);
  let count = 0;
  for (const pool of pools.values()) {
    const { driver, pool: named } = pool[0]!.spec;
    for (const { name: device } of newestDevices(pool))
      if (isSelectedBy(rule, { driver, pool: named.name, device })) count++;
  }
  return count;
}

function allocatedDevices(rule: DeviceTaintRule, claims: Iterable<ResourceClaim>): number {
  let count = 0;
  for (const { status } of claims)
    for (const result of status?.allocation?.devices?.results ?? []) if (isSelectedBy(rule, result)) count++;
  return count;
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const inNamespaces = (count: number) => (count === 1 ? '1 namespace' : `${count} different namespaces`);
