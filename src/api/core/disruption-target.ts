/** The condition of a pod that is about to go for a reason outside itself: failure policies of Jobs may forgive it. */
import type { Pod } from '../resources.gen.ts';
import type { PodCondition } from '../types/core-v1.gen.ts';

/** Why, in the words that clients match on, and for people. */
export interface Disruption {
  reason:
    | 'DeletionByDeviceTaintManager'
    | 'DeletionByPodGC'
    | 'DeletionByTaintManager'
    | 'EvictionByEvictionAPI'
    | 'PreemptionByScheduler';
  message: string;
}

/** `now` in RFC 3339, of whole seconds. */
export function disruptionTarget({ metadata }: Pod, disruption: Disruption, now: string): PodCondition {
  return {
    type: 'DisruptionTarget',
    status: 'True',
    lastTransitionTime: now,
    ...disruption,
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
  };
}
