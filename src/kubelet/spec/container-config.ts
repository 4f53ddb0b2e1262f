/** The runtime's configuration of one container. Pure: what needs files or the API is determined before. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ContainerConfig, ContainerSecurityContext, Device, Mount } from '../cri/messages.ts';
import { containerHash } from '../pod/pod-actions.ts';
import { annotations, labels } from '../pod/pod-observation.ts';
import { boundedResources, linuxResourcesOf } from '../resources/cgroup-resources.ts';
import { oomScoreAdjust } from '../resources/qos.ts';
import { expandReferences } from './expansion.ts';

export interface ContainerInputs {
  restartCount: number;
  /** By which the runtime knows the image. */
  imageRef: string;
  environment: ReadonlyMap<string, string>;
  mounts: Mount[];
  devices: Device[];
  cdiDevices: string[];
  extraAnnotations: Record<string, string>;
  securityContext: ContainerSecurityContext;
  memoryCapacityBytes: number;
}

/** Name of a container's log below the pod's folder; upstream's. */
function containerLogPath(containerName: string, restartCount: number): string {
  return `${containerName}/${restartCount}.log`;
}

export function containerConfigOf(
  pod: Pod,
  container: core.Container,
  inputs: ContainerInputs,
): ContainerConfig {
  const { environment, restartCount } = inputs;
  const expand = (text: string) => expandReferences(text, (name) => environment.get(name));
  const oomScoreAdj = oomScoreAdjust(pod, container, inputs.memoryCapacityBytes);
  const lifecycle = container.lifecycle as (core.Lifecycle & { stopSignal?: string }) | undefined;
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: inputs.imageRef, userSpecifiedImage: container.image ?? '' },
    command: (container.command ?? []).map(expand),
    args: (container.args ?? []).map(expand),
    workingDir: container.workingDir ?? '',
    envs: [...environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: inputs.mounts,
    devices: inputs.devices,
    CDIDevices: inputs.cdiDevices.map((name) => ({ name })),
    labels: {
      [labels.containerName]: container.name,
      [labels.podName]: pod.metadata.name,
      [labels.podNamespace]: pod.metadata.namespace ?? '',
      [labels.podUid]: pod.metadata.uid,
    },
    annotations: {
      ...inputs.extraAnnotations,
      [annotations.hash]: containerHash(container),
      [annotations.restartCount]: String(restartCount),
      [annotations.terminationMessagePath]: container.terminationMessagePath ?? '',
      [annotations.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
      [annotations.terminationGracePeriod]: String(pod.spec.terminationGracePeriodSeconds ?? 30),
      ...(lifecycle?.preStop && { [annotations.preStopHandler]: JSON.stringify(lifecycle.preStop) }),
    },
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: linuxResourcesOf(boundedResources(pod, container), oomScoreAdj),
      securityContext: inputs.securityContext,
    },
    ...(lifecycle?.stopSignal && { stopSignal: lifecycle.stopSignal }),
  };
}
