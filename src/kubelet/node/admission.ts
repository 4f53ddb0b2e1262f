/** Whether the node admits a pod that was bound to it: the scheduler may not have known everything. Pure. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { dottedSysctl, hostNamespaceOfSysctl } from '../../api/core/pod-spec/sysctl.ts';
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import { isOfClaimedDevices } from '../../api/resource/pod-claims.ts';
import type { Node, Pod } from '../../api/resources.gen.ts';
import { compilePodNodeSelector } from '../../api/selectors/node-selector.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { isExtendedResource } from '../../api/validation/resources.ts';
import { nodeTaints } from '../../api/well-known.ts';
import { isCriticalPod, qosClassOf } from '../resources/qos.ts';
import { needsAppArmor } from '../spec/app-armor.ts';

export interface AdmissionInputs {
  node: Node;
  allocatable: Record<string, string>;
  /** Admitted here, and not ended. */
  others: readonly Pod[];
  /** Resources of device plugins, which are allocated afterwards. */
  devices: ReadonlySet<string>;
  memoryPressure: boolean;
  diskPressure: boolean;
  pidPressure: boolean;
  allowedUnsafeSysctls: readonly string[];
  /** Whether the runtime supports a policy for supplemental groups. */
  hasStrictGroups: boolean;
  /** Whether the machine's kernel has AppArmor in force. */
  hasAppArmor: boolean;
}

export interface Refusal {
  reason: string;
  message: string;
  /** Missing resources and their amounts: evicting other pods could make room for a critical pod. */
  missing?: Record<string, number>;
}

const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/** Undefined: admitted. */
export function findRefusal(pod: Pod, inputs: AdmissionInputs): Refusal | undefined {
  return (
    refuseUnderPressure(pod, inputs) ??
    refuseSysctls(pod, inputs.allowedUnsafeSysctls) ??
    refuseOs(pod) ??
    refuseAppArmor(pod, inputs) ??
    refuseStrictGroups(pod, inputs) ??
    refuseResources(pod, inputs) ??
    refuseSelector(pod, inputs.node) ??
    refusePorts(pod, inputs.others)
  );
}

function refuseUnderPressure(pod: Pod, inputs: AdmissionInputs): Refusal | undefined {
  if (isCriticalPod(pod)) return undefined;
  const pressures: string[] = [];
  if (inputs.memoryPressure) pressures.push('MemoryPressure');
  if (inputs.diskPressure) pressures.push('DiskPressure');
  if (inputs.pidPressure) pressures.push('PIDPressure');
  if (pressures.length === 0) return undefined;
  if (pressures.length === 1 && inputs.memoryPressure) {
    // Memory pressure only keeps out pods without memory requests or limits.
    if (qosClassOf(pod) !== 'BestEffort') return undefined;
    const tolerates = pod.spec.tolerations?.some(
      ({ key, operator, effect }) =>
        (!effect || effect === 'NoSchedule') &&
        (key === nodeTaints.memoryPressure || (!key && operator === 'Exists')),
    );
    if (tolerates) return undefined;
  }
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. ` };
}

function refuseSysctls(pod: Pod, allowed: readonly string[]): Refusal | undefined {
  for (const sysctl of pod.spec.securityContext?.sysctls ?? []) {
    const name = dottedSysctl(sysctl.name);
    const isAllowed =
      safeSysctls.has(name) ||
      allowed.some((pattern) =>
        pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
      );
    if (!isAllowed)
      return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" not allowlisted` };
    const shared = hostNamespaceOfSysctl(name, pod.spec);
    if (shared)
      return {
        reason: 'SysctlForbidden',
        message: `forbidden sysctl: "${name}" not allowed with host ${shared} enabled`,
      };
  }
  return undefined;
}

function refuseOs(pod: Pod): Refusal | undefined {
  const label = pod.metadata.labels?.['kubernetes.io/os'];
  if (label !== undefined && label !== 'linux') {
    const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
    return { reason: 'PodOSSelectorNodeLabelDoesNotMatch', message };
  }
  const name = pod.spec.os?.name;
  if (name === undefined || name === 'linux') return undefined;
  const message = "Failed to admit pod as the OS field doesn't match node OS";
  return { reason: 'PodOSNotSupported', message };
}

/** Without the kernel's help a pod that relies on a profile would run unconfined. */
function refuseAppArmor(pod: Pod, { hasAppArmor }: { hasAppArmor: boolean }): Refusal | undefined {
  if (hasAppArmor || !needsAppArmor(pod)) return undefined;
  return {
    reason: 'AppArmor',
    message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host',
  };
}

/** A runtime that does not know the policy would silently merge the groups. */
function refuseStrictGroups(
  { spec }: Pod,
  { hasStrictGroups }: { hasStrictGroups: boolean },
): Refusal | undefined {
  if (hasStrictGroups || spec.securityContext?.supplementalGroupsPolicy !== 'Strict') return undefined;
  const message = 'SupplementalGroupsPolicy=Strict is not supported in this node';
  return { reason: 'SupplementalGroupsPolicyNotSupported', message };
}

export function refuseResources(
  pod: Pod,
  {
    allocatable,
    others,
    devices,
  }: Pick<AdmissionInputs, 'allocatable' | 'others'> & Partial<Pick<AdmissionInputs, 'devices'>>,
): Refusal | undefined {
  const podsMax = numericAmounts.parse('pods', allocatable.pods ?? '0');
  if (others.length + 1 > podsMax) return insufficient('pods', 1, others.length, podsMax);
  for (const [name, requested] of requestsOf(pod)) {
    // Resources that no plugin has ever announced do not concern a pod that was placed here by hand.
    if (requested === 0 || (isExtendedResource(name) && allocatable[name] === undefined)) continue;
    if (devices?.has(name)) continue;
    const capacity = numericAmounts.parse(name, allocatable[name] ?? '0');
    let taken = 0;
    for (const other of others) taken += requestsOf(other).get(name) ?? 0;
    if (requested > capacity - taken) return insufficient(name, requested, taken, capacity);
  }
  return undefined;
}

/** By object, which never changes: requests are summed up once per pod, not for every newcomer. */
const knownRequests = new WeakMap<Pod, ReadonlyMap<string, number>>();

function requestsOf(pod: Pod): ReadonlyMap<string, number> {
  let requests = knownRequests.get(pod);
  if (!requests) {
    requests = computePodRequests(withoutDeviceResources(pod), numericAmounts);
    knownRequests.set(pod, requests);
  }
  return requests;
}

/** Extended resources that claimed devices provide are not the node's. */
function withoutDeviceResources(pod: Pod): Pod {
  if (!pod.status?.extendedResourceClaimStatus) return pod;
  const strip = (container: core.Container): core.Container => {
    const { requests = {}, ...resources } = container.resources ?? {};
    const own = Object.entries(requests).filter(([name]) => !isOfClaimedDevices(pod, container, name));
    return { ...container, resources: { ...resources, requests: Object.fromEntries(own) } };
  };
  const { containers, initContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(strip),
      ...(initContainers && { initContainers: initContainers.map(strip) }),
    },
  };
}

function insufficient(name: string, requested: number, used: number, capacity: number): Refusal {
  return {
    reason: `OutOf${name}`,
    message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
    missing: { [name]: requested - (capacity - used) },
  };
}

function refuseSelector(pod: Pod, node: Node): Refusal | undefined {
  if (compilePodNodeSelector(pod)?.(node) ?? true) return undefined;
  return {
    reason: 'NodeAffinity',
    message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  };
}

function refusePorts(pod: Pod, others: readonly Pod[]): Refusal | undefined {
  const wantedPorts = hostPortsOf(pod);
  if (wantedPorts.length === 0) return undefined;
  const taken = others.flatMap(hostPortsOf);
  for (const wanted of wantedPorts) {
    const clashes = taken.some(
      (held) =>
        held.port === wanted.port &&
        held.protocol === wanted.protocol &&
        (held.ip === wanted.ip || isAny(held.ip) || isAny(wanted.ip)),
    );
    if (clashes)
      return {
        reason: 'NodePorts',
        message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
      };
  }
  return undefined;
}

function hostPortsOf(pod: Pod): { port: number; protocol: string; ip: string }[] {
  return [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers].flatMap((container) =>
    (container.ports ?? [])
      .filter(({ hostPort }) => hostPort)
      .map(({ hostPort, protocol, hostIP }) => ({
        port: hostPort!,
        protocol: protocol ?? 'TCP',
        ip: hostIP ?? '',
      })),
  );
}

function isAny(ip: string): boolean {
  return ip === '' || ip === '0.0.0.0';
}
