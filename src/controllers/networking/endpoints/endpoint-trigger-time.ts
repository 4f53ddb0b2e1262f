/** When the change occurred that led to a write of endpoints: proxies measure their lag from it. */
import type { Pod, Service } from '../../../api/resources.gen.ts';
import { podCondition } from '../../pods/pod-state.ts';

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

/** What was known of each Service at its last reconcile. */
export class TriggerTimes {
  readonly #known = new Map<string, { service: string; pods: ReadonlyMap<string, string> }>();

  /** The oldest change since the last call for the Service; undefined when there is none with a time. */
  next(key: string, service: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#known.get(key);
    const created = service.metadata.creationTimestamp;
    const times = new Map<string, string>();
    let oldest: string | undefined = created > (before?.service ?? '') ? created : undefined;
    for (const pod of pods) {
      const time = podCondition(pod, 'Ready')?.lastTransitionTime;
      if (!time) continue;
      times.set(pod.metadata.name, time);
      const isNew = time > (before?.pods.get(pod.metadata.name) ?? '');
      if (isNew && (oldest === undefined || time < oldest)) oldest = time;
    }
    this.#known.set(key, { service: created, pods: times });
    return oldest;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}
