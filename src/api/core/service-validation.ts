/** The rules of Services. */
import { isIP } from 'node:net';
import { duplicate, type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../types/core-v1.gen.ts';
import { ipAddress, nonSpecialAddress, parseRange } from '../validation/addresses.ts';
import { invalidFor, oneOf, portNumber, portNumberOrName } from '../validation/fields.ts';
import { validateLabels } from '../validation/label-selector.ts';
import { dnsLabelProblems, qualifiedNameProblems, subdomainProblems } from '../validation/names.ts';
import { needsClusterIp, needsHealthCheckPort } from './service-update.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const affinitySecondsMax = 86400;
const kubeletPort = 10250;

export function* validateService(service: Service): FieldErrors {
  const spec: ServiceSpec = service.spec ?? {};
  const ports = spec.ports ?? [];
  const headless = spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None';
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') yield required('spec.ports');
  yield* validateByType(spec, headless);
  yield* validatePorts(ports, spec);
  yield* validateLabels(spec.selector, 'spec.selector');
  yield* validateAffinity(spec);
  yield* validateClusterIps(spec);
  yield* validateFamilies(spec, headless);
  for (const [index, address] of (spec.externalIPs ?? []).entries())
    yield* isIP(address)
      ? nonSpecialAddress(address, `spec.externalIPs[${index}]`)
      : ipAddress(address, `spec.externalIPs[${index}]`);
  yield* oneOf(spec.type, types, 'spec.type', 'required');
  yield* validateLoadBalancer(spec);
  yield* validateTrafficPolicies(spec);
}

function* validateByType(spec: ServiceSpec, headless: boolean): FieldErrors {
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') {
    if (headless)
      yield invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`);
  }
  if (spec.type === 'LoadBalancer')
    for (const [index, port] of (spec.ports ?? []).entries())
      if (port.port === kubeletPort)
        yield invalidValue(
          `spec.ports[${index}].port`,
          port.port,
          `may not expose port ${kubeletPort} externally since it is used by kubelet`,
        );
  if (spec.type !== 'ExternalName') return;
  if (spec.clusterIPs?.length)
    yield forbiddenField('spec.clusterIPs', 'may not be set for ExternalName services');
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (!name) yield required('spec.externalName');
  else yield* invalidFor('spec.externalName', name, subdomainProblems(name));
}

function* validatePorts(ports: ServicePort[], spec: ServiceSpec): FieldErrors {
  const names = new Set<string>();
  const endpoints = new Set<string>();
  const nodePorts = new Set<string>();
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    if (!port.name) {
      if (ports.length > 1) yield required(`${path}.name`);
    } else {
      yield* invalidFor(`${path}.name`, port.name, dnsLabelProblems(port.name));
      if (names.has(port.name)) yield duplicate(`${path}.name`, port.name);
      names.add(port.name);
    }
    yield* portNumber(port.port ?? 0, `${path}.port`);
    yield* oneOf(port.protocol, protocols, `${path}.protocol`, 'required');
    yield* portNumberOrName(port.targetPort, `${path}.targetPort`);
    if (port.appProtocol !== undefined)
      yield* invalidFor(`${path}.appProtocol`, port.appProtocol, qualifiedNameProblems(port.appProtocol));
    if (port.nodePort && !external)
      yield forbiddenField(`${path}.nodePort`, `may not be used when \`type\` is '${spec.type}'`);
    const endpoint = `${port.protocol}/${port.port}`;
    if (endpoints.has(endpoint)) yield duplicate(path, { protocol: port.protocol, port: port.port });
    endpoints.add(endpoint);
    if (!port.nodePort) continue;
    const nodePort = `${port.protocol}/${port.nodePort}`;
    if (nodePorts.has(nodePort)) yield duplicate(`${path}.nodePort`, port.nodePort);
    nodePorts.add(nodePort);
  }
}

function* validateAffinity(spec: ServiceSpec): FieldErrors {
  yield* oneOf(spec.sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity', 'required');
  const path = 'spec.sessionAffinityConfig';
  const config = spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'None') {
    if (config) yield forbiddenField(path, 'must not be set when session affinity is None');
    return;
  }
  if (spec.sessionAffinity !== 'ClientIP') return;
  const seconds = config?.clientIP?.timeoutSeconds;
  if (!config) yield required(path, 'when session affinity type is ClientIP');
  else if (!config.clientIP) yield required(`${path}.clientIP`, 'when session affinity type is ClientIP');
  else if (seconds === undefined)
    yield required(`${path}.clientIP.timeoutSeconds`, 'when session affinity type is ClientIP');
  else if (seconds <= 0 || seconds > affinitySecondsMax)
    yield invalidValue(
      `${path}.clientIP.timeoutSeconds`,
      seconds,
      `must be greater than 0 and less than ${affinitySecondsMax}`,
    );
}

function* validateClusterIps(spec: ServiceSpec): FieldErrors {
  if (!needsClusterIp(spec)) return;
  const addresses = spec.clusterIPs ?? [];
  if (addresses.length > 2) yield invalidValue('spec.clusterIPs', addresses, 'may only hold up to 2 values');
  for (const [index, address] of addresses.entries()) {
    const path = `spec.clusterIPs[${index}]`;
    if (index === 0 && (address === 'None' || address === '')) {
      if (addresses.length > 1 && address === 'None')
        yield invalidValue(
          'spec.clusterIPs',
          addresses,
          'may not specify more than one IP if the first is None',
        );
      continue;
    }
    yield* ipAddress(address, path);
  }
  if (spec.clusterIP && addresses.length > 0 && addresses[0] !== spec.clusterIP)
    yield invalidValue('spec.clusterIPs', addresses, 'first value must match `clusterIP`');
  if (addresses.length === 2 && isIP(addresses[0]!) !== 0 && isIP(addresses[0]!) === isIP(addresses[1]!))
    yield invalidValue('spec.clusterIPs', addresses, 'may specify no more than one IP for each IP family');
}

function* validateFamilies(spec: ServiceSpec, headless: boolean): FieldErrors {
  if (!needsClusterIp(spec)) {
    if (spec.ipFamilyPolicy)
      yield forbiddenField('spec.ipFamilyPolicy', 'may not be set for ExternalName services');
    if (spec.ipFamilies?.length)
      yield forbiddenField('spec.ipFamilies', 'may not be set for ExternalName services');
    return;
  }
  yield* oneOf(
    spec.ipFamilyPolicy,
    ['PreferDualStack', 'RequireDualStack', 'SingleStack'],
    'spec.ipFamilyPolicy',
    'optional',
  );
  const families = new Set<string>();
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    yield* oneOf(family, ['IPv4', 'IPv6'], `spec.ipFamilies[${index}]`);
    if (families.has(family)) yield duplicate(`spec.ipFamilies[${index}]`, family);
    families.add(family);
  }
  const open = headless && Object.keys(spec.selector ?? {}).length === 0;
  if (open) return;
  if (spec.ipFamilyPolicy === 'RequireDualStack')
    yield invalidValue(
      'spec.ipFamilyPolicy',
      spec.ipFamilyPolicy,
      'Cluster is not configured for dual stack services',
    );
  if (families.has('IPv6'))
    yield invalidValue(
      `spec.ipFamilies[${(spec.ipFamilies ?? []).indexOf('IPv6')}]`,
      'IPv6',
      'not configured on this cluster',
    );
}

function* validateLoadBalancer(spec: ServiceSpec): FieldErrors {
  const balanced = spec.type === 'LoadBalancer';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0) {
    // Upstream writes this path with a capital letter.
    const path = 'spec.LoadBalancerSourceRanges';
    if (!balanced) yield forbiddenField(path, "may only be used when `type` is 'LoadBalancer'");
    else if (!ranges.every((range) => parseRange(range.trim())))
      yield invalidValue(
        path,
        `[${ranges.join(' ')}]`,
        'must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 ',
      );
  }
  if (balanced) {
    if (spec.allocateLoadBalancerNodePorts === undefined)
      yield required('spec.allocateLoadBalancerNodePorts');
    if (spec.loadBalancerClass)
      yield* invalidFor(
        'spec.loadBalancerClass',
        spec.loadBalancerClass,
        qualifiedNameProblems(spec.loadBalancerClass),
      );
    return;
  }
  for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const)
    if (spec[name] !== undefined)
      yield forbiddenField(`spec.${name}`, "may only be used when `type` is 'LoadBalancer'");
}

function* validateTrafficPolicies(spec: ServiceSpec): FieldErrors {
  const policy = spec.externalTrafficPolicy as string | undefined;
  if (policy) {
    if (policy !== 'Cluster' && policy !== 'Local')
      yield invalidValue(
        'spec.externalTrafficPolicy',
        policy,
        'ExternalTrafficPolicy must be empty, Cluster or Local',
      );
    else if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer')
      yield invalidValue(
        'spec.externalTrafficPolicy',
        policy,
        'ExternalTrafficPolicy can only be set on NodePort and LoadBalancer service',
      );
  }
  if (spec.healthCheckNodePort && !needsHealthCheckPort(spec))
    yield invalidValue(
      'spec.healthCheckNodePort',
      spec.healthCheckNodePort,
      'HealthCheckNodePort can only be set on LoadBalancer service with ExternalTrafficPolicy=Local',
    );
  yield* oneOf(spec.internalTrafficPolicy, ['Cluster', 'Local'], 'spec.internalTrafficPolicy', 'optional');
  yield* oneOf(
    spec.trafficDistribution,
    ['PreferClose', 'PreferSameZone', 'PreferSameNode'],
    'spec.trafficDistribution',
    'optional',
  );
}

export function* validateServiceUpdate(service: Service, old: Service): FieldErrors {
  const spec = service.spec;
  const before = old.spec;
  if (!spec || !before || !needsClusterIp(spec) || !needsClusterIp(before)) return;
  const first = before.clusterIPs?.[0];
  if (first && spec.clusterIPs?.[0] !== first)
    yield invalidValue('spec.clusterIPs[0]', spec.clusterIPs ?? null, 'may not change once set');
  if (
    before.type === 'LoadBalancer' &&
    spec.type === 'LoadBalancer' &&
    spec.loadBalancerClass !== before.loadBalancerClass
  )
    yield invalidValue('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set');
}
