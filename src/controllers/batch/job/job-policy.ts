/** A Job's rules for failures and for early success. */
import type { Job, Pod } from '../../../api/resources.gen.ts';
import type * as batch from '../../../api/types/batch-v1.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { parseIndexes } from './job-indexes.ts';

export type FailureAction = 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';

export interface FailureMatch {
  action: FailureAction;
  /** The reason, for a rule that fails the whole job. */
  message?: string;
}

/** What the policy makes of a failed pod; undefined when no rule matches. */
export function matchFailurePolicy(job: Job, pod: Pod): FailureMatch | undefined {
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const { namespace, name } = pod.metadata;
    if (rule.onExitCodes) {
      const found = matchExitCodes(rule.onExitCodes, pod);
      if (found)
        return {
          action: rule.action as FailureAction,
          message: `Container ${found.container} for pod ${namespace}/${name} failed with exit code ${found.exitCode} matching ${rule.action} rule at index ${index}`,
        };
    } else if (rule.onPodConditions) {
      const found = (pod.status?.conditions ?? []).find((condition) =>
        rule.onPodConditions!.some(
          (pattern) => pattern.type === condition.type && (pattern.status ?? 'True') === condition.status,
        ),
      );
      if (found)
        return {
          action: rule.action as FailureAction,
          message: `Pod ${namespace}/${name} has condition ${found.type} matching ${rule.action} rule at index ${index}`,
        };
    }
  }
  return undefined;
}

function matchExitCodes(
  requirement: batch.PodFailurePolicyOnExitCodesRequirement,
  pod: Pod,
): { container: string; exitCode: number } | undefined {
  const statuses: core.ContainerStatus[] = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
  ];
  for (const { name, state } of statuses) {
    const exitCode = state?.terminated?.exitCode;
    if (exitCode === undefined || exitCode === 0) continue;
    if (requirement.containerName && requirement.containerName !== name) continue;
    const isListed = (requirement.values ?? []).includes(exitCode);
    if (isListed === (requirement.operator === 'In')) return { container: name, exitCode };
  }
  return undefined;
}

/** The message of the first rule of the success policy that the finished indexes meet. */
export function matchSuccessPolicy(job: Job, succeeded: ReadonlySet<number>): string | undefined {
  const rules = job.spec?.successPolicy?.rules ?? [];
  for (const [index, rule] of rules.entries()) {
    const wanted = rule.succeededIndexes
      ? parseIndexes(rule.succeededIndexes, job.spec?.completions)
      : undefined;
    const counted = wanted ? [...wanted].filter((one) => succeeded.has(one)).length : succeeded.size;
    const needed = rule.succeededCount ?? wanted?.size;
    if (needed !== undefined && counted >= needed) return `Matched rules at index ${index}`;
  }
  return undefined;
}
