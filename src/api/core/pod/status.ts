/** Validation of a pod's status: allowed values, and values that may not be removed again. */

import type {
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
  PodExtendedResourceClaimStatus,
  PodResourceClaimStatus,
  PodSpec,
  PodStatus,
} from '../../types/core-v1.gen.ts';
import { ipAddress, parseAddress } from '../../validation/addresses.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooLong,
} from '../../validation/field-error.ts';
import { immutable, inRange, invalidFor } from '../../validation/fields.ts';
import { dnsLabelProblems, qualifiedNameProblems, subdomainProblems } from '../../validation/names.ts';

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);
const statusLists = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;
const specLists = {
  containerStatuses: 'containers',
  initContainerStatuses: 'initContainers',
  ephemeralContainerStatuses: 'ephemeralContainers',
} as const;
const idMax = 2147483647;
const messageMax = 1024;

/** Pod statuses are written more often than anything else: absent parts are skipped. */
export function* validatePodStatusUpdate(pod: Pod, old: Pod): FieldErrors {
  const [status, before] = [pod.status ?? {}, old.status ?? {}];
  if (status.conditions) yield* validateConditions(status.conditions);
  if (status.nominatedNodeName) yield* validateNomination(status.nominatedNodeName, before, old.spec);
  if ((status.observedGeneration ?? 0) < 0)
    yield invalidValue(
      'status.observedGeneration',
      status.observedGeneration,
      'must be a non-negative integer',
    );
  if (status.qosClass !== before.qosClass)
    yield* immutable(status.qosClass, before.qosClass, 'status.qosClass');
  for (const list of statusLists) if (before[list]) yield* validateRestarts(status, before, old.spec, list);
  if (status.resourceClaimStatuses) yield* validateClaimStatuses(status.resourceClaimStatuses, pod.spec);
  if (status.extendedResourceClaimStatus)
    yield* validateExtendedClaim(status.extendedResourceClaimStatus, pod.spec);
  if (status.podIPs) yield* validateAddresses(status.podIPs, before.podIPs, 'status.podIPs');
  if (status.hostIPs) {
    const hostIp = status.hostIPs[0]?.ip;
    if (status.hostIPs.length > 0 && (status.hostIP ?? '') !== hostIp)
      yield invalidValue('status.hostIPs[0].ip', hostIp ?? '', 'must be equal to `hostIP`');
    yield* validateAddresses(status.hostIPs, before.hostIPs, 'status.hostIPs');
  }
  for (const list of statusLists)
    if (status[list]) yield* validateUsers(status[list], pod.spec, `status.${list}`);
  for (const list of statusLists) if (status[list]) yield* validateAllocations(status[list], pod.spec, list);
}

function* validateConditions(conditions: readonly PodCondition[]): FieldErrors {
  for (const [index, { type, observedGeneration = 0 }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (observedGeneration < 0)
      yield invalidValue(`${field}.observedGeneration`, observedGeneration, 'must be a non-negative integer');
    if (!systemConditions.has(type))
      yield* invalidFor(`${field}.Type`, type ?? '', qualifiedNameProblems(type ?? ''));
  }
}

function* validateNomination(name: string, before: PodStatus, spec: PodSpec): FieldErrors {
  if (name === before.nominatedNodeName) return;
  const field = 'status.nominatedNodeName';
  yield* invalidFor(field, name, subdomainProblems(name));
  if (spec.nodeName) yield forbiddenField(field, 'may not be set on pods that are already bound to a node');
}

/** What has ended, and is not to be started again, does not run. */
function* validateRestarts(
  status: PodStatus,
  before: PodStatus,
  spec: PodSpec,
  list: (typeof statusLists)[number],
): FieldErrors {
  const isEphemeral = list === 'ephemeralContainerStatuses';
  if (!isEphemeral && restartsAll(spec)) return;
  for (const [index, { name, state }] of (before[list] ?? []).entries()) {
    const end = state?.terminated;
    const now = end && status[list]?.find((container) => container.name === name);
    if (!now || now.state?.terminated) continue;
    const container = isEphemeral ? undefined : spec[specLists[list]]?.find((each) => each.name === name);
    if (!container || !shouldRestart(container as Container, spec, end.exitCode))
      yield forbiddenField(
        `status.${list}[${index}].state`,
        'may not be transitioned to non-terminated state',
      );
  }
}

function restartsAll({ initContainers, containers }: PodSpec): boolean {
  return [...(initContainers ?? []), ...(containers ?? [])].some(({ restartPolicyRules }) =>
    restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'),
  );
}

/** By the container's own rules and policy, or else by the pod's. */
function shouldRestart(container: Container, spec: PodSpec, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    const rule = container.restartPolicyRules?.find(({ exitCodes }) => {
      const isListed = exitCodes?.values?.includes(exitCode) ?? false;
      return exitCodes !== undefined && isListed === (exitCodes.operator === 'In');
    });
    if (rule?.action === 'Restart') return true;
  }
  const policy = container.restartPolicy ?? spec.restartPolicy;
  return policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never';
}

function* validateClaimStatuses(statuses: readonly PodResourceClaimStatus[], spec: PodSpec): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { name = '', resourceClaimName }] of statuses.entries()) {
    const field = `status.resourceClaimStatuses[${index}]`;
    if (!spec.resourceClaims?.some((claim) => claim.name === name))
      yield invalidValue(`${field}.name`, name, 'must match the name of an entry in `spec.resourceClaims`');
    if (seen.has(name)) yield duplicate(`${field}.name`, name);
    seen.add(name);
    if (resourceClaimName !== undefined)
      yield* invalidFor(
        `${field}.resourceClaimName`,
        resourceClaimName,
        subdomainProblems(resourceClaimName),
      );
  }
}

/**
 * For a claim that was created for extended resources: which containers use it. Some of upstream's paths lack the list.
 */
function* validateExtendedClaim(status: PodExtendedResourceClaimStatus, spec: PodSpec): FieldErrors {
  const field = 'status.extendedResourceClaimStatus';
  const containers = new Map(
    [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map((each) => [each.name, each]),
  );
  if (!status.requestMappings?.length)
    yield required(`${field}.requestMappings`, 'at least one request mapping is required');
  const seen = new Set<string>();
  for (const [index, mapping] of (status.requestMappings ?? []).entries()) {
    const path = `${field}.requestMappings[${index}]`;
    const { containerName = '', resourceName = '', requestName = '' } = mapping;
    const container = containers.get(containerName);
    if (!container)
      yield invalidValue(
        `${path}.containerName`,
        containerName,
        'must match the name of an entry in spec.initContainers.name or spec.containers.name',
      );
    else if (container.resources?.requests?.[resourceName] === undefined)
      yield invalidValue(
        `${path}.resourceName`,
        resourceName,
        'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests',
      );
    yield* invalidFor(`${field}.requestName`, requestName, dnsLabelProblems(requestName));
    const key = JSON.stringify([containerName, resourceName, requestName]);
    if (seen.has(key)) {
      yield duplicate(`${path}.containerName`, containerName);
      yield duplicate(`${path}.resourceName`, resourceName);
      yield duplicate(`${path}.requestName`, requestName);
    }
    seen.add(key);
  }
  const name = status.resourceClaimName;
  if (!name) yield required(`${field}.resourceClaimName`);
  else yield* invalidFor(`${field}.resourceClaimName`, name, subdomainProblems(name));
}

type Addresses = readonly { ip?: string }[];

/** At most one of each family; what stood there before may stay. */
function* validateAddresses(addresses: Addresses, old: Addresses | undefined, field: string): FieldErrors {
  const known = new Set(old?.map(({ ip }) => ip));
  const texts = addresses.map(({ ip = '' }) => ip);
  for (const [index, text] of texts.entries())
    if (!known.has(text)) yield* ipAddress(text, `${field}[${index}]`);
  if (texts.length < 2) return;
  const families = texts.map((text) => parseAddress(text)?.length);
  const unreadable = families.indexOf(undefined);
  if (texts.length > 2 || unreadable >= 0 || families[0] === families[1])
    yield invalidValue(
      field,
      texts.map((ip) => ({ IP: ip })),
      'may specify no more than one IP for each IP family',
    );
}

function* validateUsers(statuses: readonly ContainerStatus[], { os }: PodSpec, field: string): FieldErrors {
  const name = os ? os.name : 'linux';
  for (const [index, { user }] of statuses.entries()) {
    const path = `${field}[${index}].user.linux`;
    if (!user?.linux) continue;
    if (name === 'windows') yield forbiddenField(path, 'cannot be set for a windows pod');
    if (name !== 'linux') continue;
    yield* inRange(user.linux.uid ?? 0, 0, idMax, `${path}.uid`);
    yield* inRange(user.linux.gid ?? 0, 0, idMax, `${path}.gid`);
    for (const [at, group] of (user.linux.supplementalGroups ?? []).entries())
      yield* inRange(group, 0, idMax, `${path}.supplementalGroups[${at}]`);
  }
}

function* validateAllocations(
  statuses: readonly ContainerStatus[],
  spec: PodSpec,
  list: (typeof statusLists)[number],
): FieldErrors {
  for (const [index, { name, allocatedResourcesStatus }] of statuses.entries()) {
    const field = `status.${list}[${index}].allocatedResourcesStatus`;
    if (!allocatedResourcesStatus?.length) continue;
    if (list === 'ephemeralContainerStatuses') {
      yield forbiddenField(field, 'must not be specified in container status');
      continue;
    }
    const container = spec[specLists[list]]?.find((each) => each.name === name) as Container | undefined;
    for (const [at, allocated] of allocatedResourcesStatus.entries()) {
      if (container) yield* validateAllocatedName(allocated.name ?? '', container, `${field}[${at}].name`);
      yield* validateHealth(allocated.resources, `${field}[${at}].resources`);
    }
  }
}

function* validateAllocatedName(name: string, { resources }: Container, field: string): FieldErrors {
  if (name.startsWith('claim:')) {
    const claims = (resources?.claims ?? []).map((claim) =>
      claim.request ? `claim:${claim.name}/${claim.request}` : `claim:${claim.name}`,
    );
    if (!claims.includes(name))
      yield invalidValue(
        field,
        name,
        "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
      );
  } else if (resources?.requests?.[name] === undefined)
    yield invalidValue(field, name, "must match one of the container's resource requests");
}

type Health = NonNullable<NonNullable<ContainerStatus['allocatedResourcesStatus']>[number]['resources']>;
const healths = ['Healthy', 'Unhealthy', 'Unknown'];

function* validateHealth(resources: Health | undefined, field: string): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { health = '', message, resourceID = '' }] of (resources ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!healths.includes(health)) yield notSupported(`${path}.health`, health, healths);
    if (message === '') yield required(`${path}.message`, 'must be non-empty if specified');
    else if (message && message.length > messageMax) yield tooLong(`${path}.message`, messageMax);
    if (seen.has(resourceID)) yield duplicate(`${path}.resourceID`, resourceID);
    seen.add(resourceID);
  }
}
