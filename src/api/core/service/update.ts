/** Which allocations of a Service an update keeps, and which are dropped when its type changes. */
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';

export function needsClusterIp(spec: ServiceSpec): boolean {
  return spec.type !== 'ExternalName';
}

export function mayHaveNodePort(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** Whether clients outside of the cluster reach it, so that it has an `externalTrafficPolicy`. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
  return mayHaveNodePort(spec) || (spec.type === 'ClusterIP' && !!spec.externalIPs?.length);
}

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
}

export function needsHealthCheckPort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** Clients may leave out what the server chose: it stays. */
export function carryOverAllocated(service: Service, old: Service): void {
  const spec = service.spec;
  const before = old.spec;
  if (!spec || !before) return;
  if (needsClusterIp(spec) && needsClusterIp(before)) {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP && before.clusterIPs)
      spec.clusterIPs = before.clusterIPs;
    // A change of the one field means both: the error is the change, not that the two differ.
    if (spec.clusterIP !== before.clusterIP && semanticEqual(spec.clusterIPs, before.clusterIPs))
      spec.clusterIPs = [spec.clusterIP!];
    if (!spec.ipFamilies?.length && before.ipFamilies && spec.ipFamilyPolicy === undefined) {
      spec.ipFamilies = before.ipFamilies;
      if (before.ipFamilyPolicy) spec.ipFamilyPolicy = before.ipFamilyPolicy;
    }
  }
  if (mayHaveNodePort(spec) && mayHaveNodePort(before)) keepNodePorts(spec, before);
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(before) && before.healthCheckNodePort)
    spec.healthCheckNodePort ||= before.healthCheckNodePort;
}

function keepNodePorts(spec: ServiceSpec, before: ServiceSpec): void {
  const ports = new Map(
    (before.ports ?? [])
      .filter((port) => port.nodePort)
      .map((port) => [`${port.protocol}/${port.port}`, port.nodePort!]),
  );
  const taken = new Set((spec.ports ?? []).map((port) => port.nodePort).filter(Boolean));
  for (const port of spec.ports ?? []) {
    const kept = ports.get(`${port.protocol}/${port.port}`);
    if (!port.nodePort && kept && !taken.has(kept)) port.nodePort = kept;
  }
}

/** Fields that the new type does not have go, when the client only sent back what it had read. */
export function dropWhatTypeDoesNotHave(service: Service, old: Service): void {
  const spec = service.spec;
  const before = old.spec;
  if (!spec || !before) return;
  if (
    needsClusterIp(before) &&
    !needsClusterIp(spec) &&
    sameOrAbsent(spec, before, ['clusterIP', 'clusterIPs'])
  ) {
    for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const)
      delete spec[name];
  }
  if (mayHaveNodePort(before) && !mayHaveNodePort(spec)) {
    const had = new Set((before.ports ?? []).map((port) => port.nodePort));
    if ((spec.ports ?? []).every((port) => !port.nodePort || had.has(port.nodePort)))
      for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (
    isExternallyAccessible(before) &&
    !isExternallyAccessible(spec) &&
    spec.externalTrafficPolicy === before.externalTrafficPolicy
  )
    delete spec.externalTrafficPolicy;
  if (
    needsHealthCheckPort(before) &&
    !needsHealthCheckPort(spec) &&
    spec.healthCheckNodePort === before.healthCheckNodePort
  )
    delete spec.healthCheckNodePort;
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer')
    for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const)
      if (spec[name] === before[name]) delete spec[name];
  // Nobody is to take the address for reachable while the controller still lets go of it.
  if (spec.type !== 'LoadBalancer' && service.status?.loadBalancer?.ingress)
    service.status = { ...service.status, loadBalancer: {} };
}

function sameOrAbsent(
  spec: ServiceSpec,
  before: ServiceSpec,
  names: readonly (keyof ServiceSpec)[],
): boolean {
  return names.every((name) => spec[name] === undefined || semanticEqual(spec[name], before[name]));
}
