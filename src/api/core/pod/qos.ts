/** The quality-of-service class of a pod, from what its containers ask for. */
import { tryParseQuantity } from '../../quantities/quantity.ts';
import type { Container, PodSpec } from '../../types/core-v1.gen.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';
const computeResources = ['cpu', 'memory'] as const;

export function computeQosClass(spec: PodSpec): QosClass {
  // Also where the pod as a whole names no amounts: its containers do not count then.
  if (spec.resources) return classOf([spec.resources]);
  return classOf(
    [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(
      (container) => container.resources ?? {},
    ),
  );
}

function classOf(all: NonNullable<Container['resources']>[]): QosClass {
  let anyAsked = false;
  let guaranteed = true;
  for (const { limits, requests } of all)
    for (const name of computeResources) {
      const limit = amount(limits?.[name]);
      // A request that is left out is its limit; one of 0 is not.
      const request = amount(requests?.[name] ?? limits?.[name]);
      if (limit > 0n || request > 0n) anyAsked = true;
      if (limit === 0n || request !== limit) guaranteed = false;
    }
  if (!anyAsked) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function amount(text: string | undefined): bigint {
  return text === undefined ? 0n : (tryParseQuantity(text)?.nanos ?? 0n);
}
