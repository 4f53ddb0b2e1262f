/** Events about pods and their containers. */
import { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { type EventRecorder, targetOf } from '../../client/events/event-recorder.ts';

export interface ContainerEvents {
  normal(reason: string, message: string): void;
  warning(reason: string, message: string): void;
}

export function podEvents(recorder: EventRecorder, pod: Pod): ContainerEvents {
  return eventsAbout(recorder, pod, undefined);
}

/** About one container of the pod. */
export function containerEvents(
  recorder: EventRecorder,
  pod: Pod,
  container: Pick<core.Container, 'name'>,
): ContainerEvents {
  return eventsAbout(recorder, pod, fieldPathOf(pod, container.name));
}

function eventsAbout(recorder: EventRecorder, pod: Pod, fieldPath: string | undefined): ContainerEvents {
  const target = targetOf(Pod, pod, fieldPath);
  return {
    normal: (reason, message) => recorder.event(target, 'Normal', reason, message),
    warning: (reason, message) => recorder.event(target, 'Warning', reason, message),
  };
}

function fieldPathOf(pod: Pod, name: string): string {
  if (pod.spec.initContainers?.some((container) => container.name === name))
    return `spec.initContainers{${name}}`;
  if (pod.spec.ephemeralContainers?.some((container) => container.name === name))
    return `spec.ephemeralContainers{${name}}`;
  return `spec.containers{${name}}`;
}
