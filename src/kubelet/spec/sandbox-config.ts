/** The runtime's configuration of a pod's sandbox. Pure. */
import { dottedSysctl } from '../../api/core/pod-spec/sysctl.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type { PortMapping, SandboxConfig, UserNamespace } from '../cri/messages.ts';
import { annotations, labels } from '../pod/pod-observation.ts';
import type { ResolverConfig } from './dns-config.ts';
import { hostnameOf } from './hostname.ts';
import { hasSeccompFilter, namespaceOptions } from './security-context.ts';

export interface SandboxInputs {
  attempt: number;
  clusterDomain: string;
  resolver: ResolverConfig;
  /** The folder of the logs of all pods. */
  podLogsDir: string;
  /** Whether containers without a seccomp profile get the runtime's. */
  seccompDefault: boolean;
  userNamespace: UserNamespace;
  /** Absent: the runtime chooses. */
  cgroupParent?: string;
}

/** Name of a pod's folder below the folder of logs; upstream's. */
export function podLogFolder(pod: Pod): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`;
}

export function sandboxConfigOf(pod: Pod, inputs: SandboxInputs): SandboxConfig {
  const { name, namespace = '', uid } = pod.metadata;
  const context = pod.spec.securityContext ?? {};
  const groups = [...(context.supplementalGroups ?? [])];
  if (context.fsGroup !== undefined) groups.push(context.fsGroup);
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  // Those that come later, too: the runtime checks each container against the configuration that is passed with it.
  const privileged = [...initContainers, ...containers, ...ephemeralContainers].some(
    (container) => container.securityContext?.privileged,
  );
  return {
    metadata: { name, namespace, uid, attempt: inputs.attempt },
    // On the host's network the host's name is kept.
    ...(!pod.spec.hostNetwork && { hostname: hostnameOf(pod, inputs.clusterDomain) }),
    logDirectory: `${inputs.podLogsDir}/${podLogFolder(pod)}`,
    dnsConfig: inputs.resolver,
    portMappings: pod.spec.hostNetwork ? [] : portMappingsOf(pod),
    labels: {
      ...pod.metadata.labels,
      [labels.podName]: name,
      [labels.podNamespace]: namespace,
      [labels.podUid]: uid,
    },
    annotations: {
      ...pod.metadata.annotations,
      [annotations.configSource]: pod.metadata.annotations?.[annotations.configSource] ?? 'api',
    },
    linux: {
      ...(inputs.cgroupParent && { cgroupParent: inputs.cgroupParent }),
      sysctls: Object.fromEntries(
        (context.sysctls ?? []).map(({ name, value }) => [dottedSysctl(name), value]),
      ),
      securityContext: {
        privileged,
        namespaceOptions: namespaceOptions(pod.spec, inputs),
        supplementalGroups: groups,
        ...(context.supplementalGroupsPolicy && {
          supplementalGroupsPolicy: context.supplementalGroupsPolicy as 'Merge' | 'Strict',
        }),
        // Never the pod's profile, which may not allow what the sandbox's own process does. That process only sleeps:
        // where the containers are not filtered, the filter would protect nothing, and takes a tenth of a pod's start.
        seccomp: {
          profileType: hasSeccompFilter(pod, inputs.seccompDefault) ? 'RuntimeDefault' : 'Unconfined',
        },
        ...(context.seLinuxOptions && { selinuxOptions: context.seLinuxOptions }),
        ...(context.runAsUser !== undefined && { runAsUser: { value: context.runAsUser } }),
        ...(context.runAsUser !== undefined &&
          context.runAsGroup !== undefined && { runAsGroup: { value: context.runAsGroup } }),
      },
    },
  };
}

export function withUserNamespace(config: SandboxConfig, userNamespace: UserNamespace): SandboxConfig {
  const securityContext = config.linux?.securityContext;
  const namespaceOptions = { ...securityContext?.namespaceOptions, usernsOptions: userNamespace };
  return { ...config, linux: { ...config.linux, securityContext: { ...securityContext, namespaceOptions } } };
}

/** As upstream, without those of init containers. */
function portMappingsOf(pod: Pod): PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const container of pod.spec.containers) {
    for (const { protocol, containerPort, hostPort, hostIP } of container.ports ?? []) {
      if (!hostPort) continue;
      const mapping: PortMapping = {
        protocol: (protocol ?? 'TCP') as PortMapping['protocol'],
        containerPort,
        hostPort,
      };
      if (hostIP) mapping.hostIp = hostIP;
      mappings.push(mapping);
    }
  }
  return mappings;
}
