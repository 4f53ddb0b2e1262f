/** The rules of Services, in the order of upstream's errors; addresses have a file of their own. */
import { isIP } from 'node:net';
import type { Service, ServicePort, ServiceSpec } from '../../types/core-v1.gen.ts';
import { cidr, ipAddress, nonSpecialAddress } from '../../validation/addresses.ts';
import { innerForm } from '../../validation/error-value.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupportedInOrder,
  required,
} from '../../validation/field-error.ts';
import { invalidFor, oneOf, portNumber, portNumberOrName } from '../../validation/fields.ts';
import { validateLabels } from '../../validation/label-selector.ts';
import { dnsLabelProblems, qualifiedNameProblems, subdomainProblems } from '../../validation/names.ts';
import { topologyHintsAnnotation, topologyModeAnnotation } from '../../well-known.ts';
import { validateServiceAddresses } from './addresses.ts';
import { isExternallyAccessible, isHeadless, mayHaveNodePort, needsHealthCheckPort } from './update.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const affinitySecondsMax = 86400;
const onlyOfBalancers = "may only be used when `type` is 'LoadBalancer'";
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';

export function* validateService(service: Service): FieldErrors {
  const spec: ServiceSpec = service.spec ?? {};
  const ports = spec.ports ?? [];
  yield* validateTopologyAnnotations(service.metadata.annotations ?? {});
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') yield required('spec.ports');
  yield* validateByType(spec);
  yield* validatePorts(ports);
  yield* validateLabels(spec.selector, 'spec.selector');
  yield* validateAffinity(spec);
  yield* validateServiceAddresses(spec);
  for (const [index, address] of (spec.externalIPs ?? []).entries())
    yield* isIP(address)
      ? nonSpecialAddress(address, `spec.externalIPs[${index}]`)
      : ipAddress(address, `spec.externalIPs[${index}]`);
  yield* oneOf(spec.type, types, 'spec.type', 'required');
  yield* validatePortNumbers(ports, spec);
  yield* validateSourceRanges(service, spec);
  yield* validateBalancer(spec);
  yield* validateTrafficPolicies(spec);
}

function* validateTopologyAnnotations(annotations: Record<string, string>): FieldErrors {
  const [mode, hints] = [annotations[topologyModeAnnotation], annotations[topologyHintsAnnotation]];
  if (mode !== undefined && hints !== undefined && mode !== hints)
    yield invalidValue(
      `metadata.annotations[${topologyModeAnnotation}]`,
      mode,
      `must match annotations[${topologyHintsAnnotation}] when both are specified`,
    );
}

function* validateByType(spec: ServiceSpec): FieldErrors {
  if (mayHaveNodePort(spec) && isHeadless(spec))
    yield invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`);
  if (spec.type !== 'ExternalName') return;
  for (const name of ['clusterIPs', 'ipFamilies'] as const)
    if (spec[name]?.length) yield forbiddenField(`spec.${name}`, 'may not be set for ExternalName services');
  if (spec.ipFamilyPolicy !== undefined)
    yield forbiddenField('spec.ipFamilyPolicy', 'may not be set for ExternalName services');
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (!name) yield required('spec.externalName');
  else yield* invalidFor('spec.externalName', name, subdomainProblems(name));
}

function* validatePorts(ports: ServicePort[]): FieldErrors {
  const names = new Set<string>();
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
  }
}

/** Which numbers may stand together, over all ports. */
function* validatePortNumbers(ports: ServicePort[], { type }: ServiceSpec): FieldErrors {
  if (type === 'ClusterIP')
    for (const [index, { nodePort }] of ports.entries())
      if (nodePort)
        yield forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'");
  const nodePorts = new Set<string>();
  for (const [index, { protocol, nodePort }] of ports.entries()) {
    if (!nodePort) continue;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) yield duplicate(`spec.ports[${index}].nodePort`, nodePort);
    nodePorts.add(key);
  }
  const endpoints = new Set<string>();
  for (const [index, { protocol, port }] of ports.entries()) {
    const key = `${protocol}/${port}`;
    if (endpoints.has(key))
      // Upstream prints a port of which it knows only these fields.
      yield duplicate(`spec.ports[${index}]`, innerForm('core.ServicePort', { protocol, port }));
    endpoints.add(key);
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

function* validateSourceRanges({ metadata }: Service, spec: ServiceSpec): FieldErrors {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotated = metadata.annotations?.[sourceRangesAnnotation];
  if (ranges.length > 0) {
    // Upstream writes this path with a capital letter.
    const path = 'spec.LoadBalancerSourceRanges';
    if (spec.type !== 'LoadBalancer') yield forbiddenField(path, onlyOfBalancers);
    for (const [index, range] of ranges.entries()) yield* cidr(range.trim(), `${path}[${index}]`);
  } else if (annotated !== undefined) {
    const path = `metadata.annotations[${sourceRangesAnnotation}]`;
    if (spec.type !== 'LoadBalancer') yield forbiddenField(path, onlyOfBalancers);
    for (const range of annotated.trim() ? annotated.split(',') : []) yield* cidr(range.trim(), path);
  }
}

function* validateBalancer(spec: ServiceSpec): FieldErrors {
  const balanced = spec.type === 'LoadBalancer';
  if (!balanced && spec.allocateLoadBalancerNodePorts !== undefined)
    yield forbiddenField('spec.allocateLoadBalancerNodePorts', onlyOfBalancers);
  if (balanced && spec.allocateLoadBalancerNodePorts === undefined)
    yield required('allocateLoadBalancerNodePorts');
  yield* validateBalancerClass(spec);
}

function* validateBalancerClass({ type, loadBalancerClass: name }: ServiceSpec): FieldErrors {
  if (name === undefined) return;
  if (type === 'LoadBalancer') yield* invalidFor('spec.loadBalancerClass', name, qualifiedNameProblems(name));
  else yield forbiddenField('spec.loadBalancerClass', onlyOfBalancers);
}

function* validateTrafficPolicies(spec: ServiceSpec): FieldErrors {
  const policy = spec.externalTrafficPolicy as string | undefined;
  if (isExternallyAccessible(spec))
    yield* oneOf(policy, ['Cluster', 'Local'], 'spec.externalTrafficPolicy', 'required');
  else if (policy)
    yield invalidValue(
      'spec.externalTrafficPolicy',
      policy,
      'may only be set for externally-accessible services',
    );
  const port = spec.healthCheckNodePort;
  if (needsHealthCheckPort(spec)) {
    if (!port) yield required('spec.healthCheckNodePort');
    else yield* portNumber(port, 'spec.healthCheckNodePort');
  } else if (port)
    yield invalidValue(
      'spec.healthCheckNodePort',
      port,
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    );
  if (spec.internalTrafficPolicy === undefined && spec.type !== undefined && spec.type !== 'ExternalName') {
    if (types.includes(spec.type)) yield required('spec.internalTrafficPolicy');
  } else
    yield* oneOf(spec.internalTrafficPolicy, ['Cluster', 'Local'], 'spec.internalTrafficPolicy', 'undefined');
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !distributions.includes(distribution))
    yield notSupportedInOrder('spec.trafficDistribution', distribution, distributions);
}

export function* validateServiceUpdate(service: Service, old: Service): FieldErrors {
  const spec = service.spec;
  const before = old.spec;
  if (!spec || !before) return;
  if (
    before.type === 'LoadBalancer' &&
    spec.type === 'LoadBalancer' &&
    spec.loadBalancerClass !== before.loadBalancerClass
  )
    yield invalidValue('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set');
  // Upstream reports it for the change, and again for the whole object.
  yield* validateBalancerClass(spec);
  if (
    needsHealthCheckPort(before) &&
    needsHealthCheckPort(spec) &&
    spec.healthCheckNodePort !== before.healthCheckNodePort
  )
    yield forbiddenField('spec.healthCheckNodePort', 'field is immutable');
}
