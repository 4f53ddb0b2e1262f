/** Deletes pods that use devices with NoExecute taints which their claims do not tolerate, or only for a limited time. */
import { isDeepStrictEqual } from 'node:util';
import { type Disruption, disruptionTarget } from '../../api/core/disruption-target.ts';
import { DeviceTaintRule, Pod, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { PodCondition } from '../../api/types/core-v1.gen.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { evictionMetrics, evictPod } from '../pods/pod-eviction.ts';
import { claimsOfPool, taintedWorld, usersOf } from './device-taint-caches.ts';
import { planDeviceEviction } from './device-taint-plan.ts';
import type { RuleNews } from './device-taint-rule-news.ts';

const evictedByTaint: Disruption = {
  reason: 'DeletionByDeviceTaintManager',
  message: 'Device Taint manager: deleting due to NoExecute taint',
};

/** In events, the fields that are written, and the metrics of the queue. */
export const deviceTaintManager = 'device-taint-eviction-controller';

const evictionMetricsOf = evictionMetrics({
  deletions: {
    name: 'device_taint_eviction_controller_pod_deletions_total',
    help: 'Total number of Pods deleted by DeviceTaintEvictionController since its start.',
  },
  delay: {
    name: 'device_taint_eviction_controller_pod_deletion_duration_seconds',
    help: "Latency, in seconds, between the time when a device taint effect has been activated and a Pod's deletion via DeviceTaintEvictionController.",
  },
});

export function deviceTaintEvictionController(news: RuleNews): AnyController {
  /** Pods that are to be evicted, by key: their uids. */
  const scheduled = new Map<string, string>();

  return defineController({
    name: deviceTaintManager,
    component: deviceTaintManager,
    reconciles: Pod,
    metrics: evictionMetricsOf,
    concerns: (pod: Pod, old: Pod | undefined) =>
      Boolean(pod.spec?.resourceClaims?.length) &&
      (pod.spec?.nodeName !== old?.spec?.nodeName ||
        !isDeepStrictEqual(pod.status?.resourceClaimStatuses, old?.status?.resourceClaimStatuses)),
    watches: [
      watch(ResourceClaim, (claim, old) => {
        const before = old && old !== claim ? old : undefined;
        const isSame =
          before?.status?.allocation !== undefined &&
          claim.status?.allocation !== undefined &&
          before.metadata.uid === claim.metadata.uid &&
          isDeepStrictEqual(before.status.reservedFor, claim.status.reservedFor);
        return isSame ? [] : [...usersOf(claim), ...(before ? usersOf(before) : [])];
      }),
      watch(ResourceSlice, (slice, old, informers) => {
        const isSame = old && old !== slice && isDeepStrictEqual(taintsOf(old), taintsOf(slice));
        return isSame ? [] : [...claimsOfPool((type) => informers.of(type), slice)].flatMap(usersOf);
      }),
      watch(DeviceTaintRule, (rule, old, informers) => {
        const isSame = old && old !== rule && isDeepStrictEqual(old.spec, rule.spec);
        return isSame ? [] : [...informers.of(ResourceClaim).list()].flatMap(usersOf);
      }),
    ],
    async reconcile(key, cluster, signal) {
      const pod = cluster.get(Pod, key);
      const wasScheduled = pod !== undefined && scheduled.get(key) === pod.metadata.uid;
      scheduled.delete(key);
      if (!pod || pod.metadata.deletionTimestamp) return undefined;
      const eviction = planDeviceEviction(
        pod,
        taintedWorld((type) => cluster.informer(type)),
      );
      if (!eviction) {
        if (wasScheduled) record(cluster, pod, 'Cancelling deletion');
        return undefined;
      }
      // Also when eviction fails and is tried again.
      scheduled.set(key, pod.metadata.uid);
      const { dueMs, rules } = eviction;
      const { clock } = cluster;
      news.expect(rules, clock.now());
      const leftMs = dueMs - clock.now();
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      record(cluster, pod, 'Marking for deletion');
      const isEvicted = await evictPod(cluster, pod, evictedCondition(pod, clock.now()), signal);
      scheduled.delete(key);
      if (!isEvicted) return undefined;
      evictionMetricsOf(cluster.metrics).podDeleted(clock.now() - dueMs);
      news.evicted(rules, clock.now());
      return undefined;
    },
  });
}

/** What of a slice may lead to an eviction, or call one off. */
function taintsOf({ spec }: ResourceSlice) {
  return [spec.pool.generation, spec.devices?.map(({ name, taints = [] }) => [name, taints])];
}

function record(cluster: ReconcileCluster, pod: Pod, message: string): void {
  cluster.event(targetOf(Pod, pod), 'Normal', 'DeviceTaintManagerEviction', message);
}

/** Undefined: an earlier attempt has written it. */
export function evictedCondition(pod: Pod, nowMs: number): PodCondition | undefined {
  const old = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  if (old?.status === 'True' && old.reason === evictedByTaint.reason) return undefined;
  // Without a generation, as upstream.
  const { observedGeneration: _, ...condition } = disruptionTarget(pod, evictedByTaint, formatTime(nowMs));
  if (old?.status === 'True' && old.lastTransitionTime) condition.lastTransitionTime = old.lastTransitionTime;
  return condition;
}
