/** Tells in the status of every DeviceTaintRule what becomes of the pods on the devices that it taints. */
import { isDeepStrictEqual } from 'node:util';
import { apiVersionOf } from '../../api/meta.ts';
import { DeviceTaintRule, Pod, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import { taintedWorld } from './device-taint-caches.ts';
import { deviceTaintManager } from './device-taint-eviction.ts';
import { type RuleNews, ruleStatusPeriodMs } from './device-taint-rule-news.ts';
import { evictionConditionOf, planRuleCondition } from './device-taint-rule-plan.ts';

export function deviceTaintRuleStatusController(news: RuleNews): AnyController {
  return defineController({
    name: deviceTaintManager,
    component: deviceTaintManager,
    reconciles: DeviceTaintRule,
    reads: [Pod, ResourceClaim, ResourceSlice],
    concerns: (rule: DeviceTaintRule, old: DeviceTaintRule | undefined) =>
      rule.metadata.uid !== old?.metadata.uid || !isDeepStrictEqual(rule.spec, old.spec),
    async source(enqueue) {
      news.subscribe(enqueue);
    },
    async reconcile(name, cluster, signal) {
      const rule = cluster.get(DeviceTaintRule, name);
      if (!rule) {
        news.forget(name);
        return undefined;
      }
      const known = news.of(rule);
      const nowMs = cluster.clock.now();
      const leftMs = timeLeft(rule, known.lookAtMs, nowMs);
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      if (known.lookAtMs !== undefined && known.lookAtMs <= nowMs) known.lookAtMs = undefined;
      const world = {
        ...taintedWorld((type) => cluster.informer(type)),
        pods: cluster.informer(Pod).list(),
        claims: cluster.informer(ResourceClaim).list(),
        slices: cluster.informer(ResourceSlice).list(),
      };
      const next = planRuleCondition(rule, world, known.evicted);
      const { lastTransitionTime: _, ...present } = evictionConditionOf(rule) ?? {};
      if (!isDeepStrictEqual({ message: '', ...present }, next)) {
        const condition = { ...next, lastTransitionTime: formatTime(nowMs) };
        const patch = {
          apiVersion: apiVersionOf(DeviceTaintRule),
          kind: DeviceTaintRule.kind,
          metadata: { name, uid: rule.metadata.uid },
          status: { conditions: [condition] },
        };
        await cluster.patch(DeviceTaintRule, rule, patch, {
          type: 'apply',
          subresource: 'status',
          fieldManager: deviceTaintManager,
          force: true,
          signal,
        });
      }
      return known.lookAtMs === undefined ? undefined : { requeueAfterMs: known.lookAtMs - nowMs };
    },
  });
}

/** A rule that is new or has changed is looked at at once; later news of its pods wait, so that many are told together. */
export function timeLeft(rule: DeviceTaintRule, lookAtMs: number | undefined, nowMs: number): number {
  const told = evictionConditionOf(rule);
  if (!told || told.observedGeneration !== rule.metadata.generation) return 0;
  const againMs = Date.parse(told.lastTransitionTime) + ruleStatusPeriodMs;
  return Math.max(againMs, lookAtMs ?? 0) - nowMs;
}
