/** Disruption budgets: whether one allows that a pod is evicted, and taking what it allows. */

import { type Pod, PodDisruptionBudget } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { compileLabelSelector } from '../../../api/selectors/label-selector.ts';
import { forbidden, StatusError, tooManyRequests } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { changeOwn } from '../../registry/ensure.ts';
import type { Registry } from '../../registry/registry.ts';

const retryAfterSeconds = 10;
/** Evictions that one budget remembers. */
const disruptedPodsMax = 2000;

type BudgetStatus = NonNullable<PodDisruptionBudget['status']>;

/** Why a pod may be evicted. */
export type EvictionGrant =
  /** No budget is about it, or its budget allows a disruption, which is taken for it now. */
  | { because: 'allowed' }
  /** It is not ready, so `budget` loses nothing: it may be evicted for as long as that is so. */
  | { because: 'unready'; budget: string };

/**
 * Asks the pod's budget, and takes one of the disruptions that it allows (in a dry run, only looks whether there is one).
 * @throws StatusError 429 when it allows none
 */
export async function grantEviction(
  registry: Registry,
  objects: ObjectReader,
  pod: Pod,
  { dryRun }: { dryRun: boolean },
): Promise<EvictionGrant> {
  const budget = budgetOf(pod, objects);
  if (!budget) return { because: 'allowed' };
  if (!isReady(pod) && mayEvictUnready(budget)) return { because: 'unready', budget: budget.metadata.name };
  if (dryRun) checkBudget(budget);
  else await takeDisruption(registry, pod, budget);
  return { because: 'allowed' };
}

/** @throws StatusError 500 when there are several */
function budgetOf(pod: Pod, objects: ObjectReader): PodDisruptionBudget | undefined {
  const { namespace = '', labels } = pod.metadata;
  const budgets = [...objects.list(PodDisruptionBudget, namespace)].filter((budget) =>
    compileLabelSelector(budget.spec?.selector)(labels),
  );
  if (budgets.length > 1)
    throw new StatusError(
      500,
      '',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  return budgets[0];
}

/** @throws StatusError 429 when the budget, as it is now, allows none */
async function takeDisruption(registry: Registry, pod: Pod, budget: PodDisruptionBudget): Promise<void> {
  const { namespace = '', name } = budget.metadata;
  await changeOwn(
    registry,
    PodDisruptionBudget,
    { namespace, name },
    {
      checks: 'none',
      next(current) {
        checkBudget(current.object as PodDisruptionBudget);
        const changed = current.copy() as PodDisruptionBudget;
        const now = formatTime(registry.clock.now());
        changed.status = withoutOne(changed.status!, pod.metadata.name, now);
        delete (changed.metadata as { resourceVersion?: string }).resourceVersion;
        return changed;
      },
    },
  );
}

/** The budget once `pod` is disrupted; this tells its controller not to count the pod any longer. */
function withoutOne(status: BudgetStatus, pod: string, now: string): BudgetStatus {
  const disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1;
  const disruptedPods = { ...status.disruptedPods, [pod]: now };
  if (disruptionsAllowed > 0) return { ...status, disruptionsAllowed, disruptedPods };
  const type = 'DisruptionAllowed';
  const others = (status.conditions ?? []).filter((condition) => condition.type !== type);
  const before = status.conditions?.find((condition) => condition.type === type);
  const condition = {
    type,
    status: 'False' as const,
    reason: 'InsufficientPods',
    message: '',
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : now,
    ...(status.observedGeneration !== undefined && { observedGeneration: status.observedGeneration }),
  };
  return { ...status, disruptionsAllowed, disruptedPods, conditions: [...others, condition] };
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function mayEvictUnready({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

function checkBudget({ metadata, status = {} }: PodDisruptionBudget): void {
  const { name } = metadata;
  const { disruptionsAllowed = 0 } = status;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw stillProcessed(name);
  if (disruptionsAllowed < 0)
    throw forbidden(PodDisruptionBudget, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
    throw forbidden(
      PodDisruptionBudget,
      name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    );
  if (disruptionsAllowed === 0) throw refusal(whyNoneMayGo(name, status));
}

/** The numbers of a budget whose pods could not be counted are not shown. */
function whyNoneMayGo(name: string, status: BudgetStatus): string {
  const { desiredHealthy = 0, currentHealthy = 0, conditions = [] } = status;
  const refused = conditions.find(
    ({ type, status, message }) => type === 'DisruptionAllowed' && status === 'False' && message !== '',
  );
  const budget = `The disruption budget ${name}`;
  if (refused?.reason === 'SyncFailed')
    return `${budget} does not allow evicting pods currently because it failed sync: ${refused.message}`;
  if (currentHealthy <= desiredHealthy)
    return `${budget} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  const why = refused ? ` (${refused.reason}): ${refused.message}` : '';
  return `${budget} does not allow evicting pods currently${why}`;
}

/** The budget's controller has yet to see what has changed. */
export function stillProcessed(budget: string): StatusError {
  const cause = `The disruption budget ${budget} is still being processed by the server.`;
  return refusal(cause, retryAfterSeconds);
}

function refusal(cause: string, retrySeconds?: number): StatusError {
  const why = "Cannot evict pod as it would violate the pod's disruption budget.";
  const error = tooManyRequests(why, retrySeconds);
  error.status.details!.causes = [{ reason: 'DisruptionBudget', message: cause }];
  return error;
}
