/** Validation of containers, init containers and ephemeral containers. */

import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '../../types/core-v1.gen.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notFoundField,
  notSupportedInOrder,
  required,
  tooMany,
} from '../../validation/field-error.ts';
import { invalidFor, oneOf, portNumber } from '../../validation/fields.ts';
import { dnsLabelProblems, portNameProblems } from '../../validation/names.ts';
import { validateResourceRequirements } from '../../validation/resources.ts';
import { isSidecar } from '../pod/sidecars.ts';
import { validateEnvironment, validateEnvironmentSources } from './environment.ts';
import { type PodVolumes, validateVolumeUse } from './mounts.ts';
import { validateProbesAndHooks } from './probes.ts';
import { validateContainerSecurity } from './security.ts';

const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const restartPolicies = ['Always', 'OnFailure', 'Never'];
const perPodOnly = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** All containers of a pod; `names` of one list may not recur in another. */
export function* validateAllContainers(spec: PodSpec, volumes: PodVolumes, field: string): FieldErrors {
  const names = new Set<string>();
  const containers = spec.containers ?? [];
  if (containers.length === 0) yield required(`${field}.containers`);
  for (const [index, container] of containers.entries()) {
    const path = `${field}.containers[${index}]`;
    yield* validateContainerName(container.name, names, path);
    yield* validateContainer(container, spec, volumes, path);
    yield* validateProbesAndHooks(container, spec.terminationGracePeriodSeconds, path);
    yield* validateRestarts(container, path);
  }
  yield* validateHostPorts(containers, `${field}.containers`);
  yield* validateInitContainers(spec, volumes, names, field);
  yield* validateEphemeralContainers(spec, volumes, names, field);
}

function* validateInitContainers(
  spec: PodSpec,
  volumes: PodVolumes,
  names: Set<string>,
  field: string,
): FieldErrors {
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const path = `${field}.initContainers[${index}]`;
    yield* validateContainerName(container.name, names, path);
    yield* validateContainer(container, spec, volumes, path);
    if (container.restartPolicy !== undefined) yield* validateRestarts(container, path);
    else if (container.restartPolicyRules?.length) yield policyForRules(path);
    if (isSidecar(container))
      yield* validateProbesAndHooks(container, spec.terminationGracePeriodSeconds, path);
    else {
      for (const name of perPodOnly)
        if (container[name])
          yield forbiddenField(
            `${path}.${name}`,
            'may not be set for init containers without restartPolicy=Always',
          );
      for (const [policyIndex, { restartPolicy }] of (container.resizePolicy ?? []).entries())
        if (restartPolicy === 'RestartContainer')
          yield invalidValue(
            `${path}.resizePolicy[${policyIndex}].restartPolicy`,
            restartPolicy,
            "must not be set to 'RestartContainer' for non-sidecar initContainers",
          );
    }
    yield* validateHostPorts([container], `${field}.initContainers`, index);
  }
}

function policyForRules(field: string): FieldError {
  return required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used');
}

const restartRulesMax = 20;
const exitCodesMax = 255;

/** A container's own policy, and its additional rules. */
function* validateRestarts({ restartPolicy, restartPolicyRules }: Container, field: string): FieldErrors {
  const rules = restartPolicyRules ?? [];
  if (restartPolicy === undefined) {
    if (rules.length > 0) yield policyForRules(field);
  } else yield* oneOf(restartPolicy, restartPolicies, `${field}.restartPolicy`);
  const path = `${field}.restartPolicyRules`;
  if (rules.length > restartRulesMax) yield tooMany(path, rules.length, restartRulesMax);
  for (const [index, { action, exitCodes }] of rules.entries()) {
    yield* oneOf(action, ['Restart', 'RestartAllContainers'], `${path}[${index}].action`);
    const codes = `${path}[${index}].exitCodes`;
    if (!exitCodes) {
      yield required(codes, 'must be specified');
      continue;
    }
    yield* oneOf(exitCodes.operator, ['In', 'NotIn'], `${codes}.operator`);
    const count = exitCodes.values?.length ?? 0;
    if (count > exitCodesMax) yield tooMany(`${codes}.values`, count, exitCodesMax);
  }
}

const notForEphemeral = [
  'lifecycle',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'ports',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
] as const;

function* validateEphemeralContainers(
  spec: PodSpec,
  volumes: PodVolumes,
  names: Set<string>,
  field: string,
): FieldErrors {
  const targets = new Set(
    [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name),
  );
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = `${field}.ephemeralContainers[${index}]`;
    yield* validateContainerName(container.name, names, path);
    yield* validateContainer(container, spec, volumes, path);
    yield* validateImagePadding(container.image, `${path}.image`);
    if (container.targetContainerName && !targets.has(container.targetContainerName))
      yield notFoundField(`${path}.targetContainerName`, container.targetContainerName);
    for (const name of notForEphemeral)
      if (container[name])
        yield forbiddenField(`${path}.${name}`, 'cannot be set for an Ephemeral Container');
    if (container.resources?.limits || container.resources?.requests)
      yield forbiddenField(`${path}.resources`, 'cannot be set for an Ephemeral Container');
    for (const [mountIndex, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath)
        yield forbiddenField(
          `${path}.volumeMounts[${mountIndex}].subPath`,
          'cannot be set for an Ephemeral Container',
        );
      if (mount.subPathExpr)
        yield forbiddenField(
          `${path}.volumeMounts[${mountIndex}].subPathExpr`,
          'cannot be set for an Ephemeral Container',
        );
    }
  }
}

/** Adds it to the names that were there before. */
function* validateContainerName(name: string | undefined, names: Set<string>, path: string): FieldErrors {
  if (!name) yield required(`${path}.name`);
  else {
    yield* invalidFor(`${path}.name`, name, dnsLabelProblems(name));
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
  }
}

export function* validateImagePadding(image: string | undefined, field: string): FieldErrors {
  if (image && image !== image.trim())
    yield invalidValue(field, image, 'must not have leading or trailing whitespace');
}

/** What holds for every sort of container, but for its name. */
function* validateContainer(
  container: Container | EphemeralContainer,
  spec: PodSpec,
  volumes: PodVolumes,
  path: string,
): FieldErrors {
  const { image } = container;
  if (!image) yield required(`${path}.image`);
  if (
    container.terminationMessagePolicy === undefined ||
    (container.terminationMessagePolicy as string) === ''
  )
    yield required(`${path}.terminationMessagePolicy`);
  else if (
    container.terminationMessagePolicy !== 'File' &&
    container.terminationMessagePolicy !== 'FallbackToLogsOnError'
  )
    yield notSupportedInOrder(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'File',
      'FallbackToLogsOnError',
    ]);
  if (container.ports) yield* validatePorts(container.ports, `${path}.ports`);
  if (container.env) yield* validateEnvironment(container.env, `${path}.env`);
  if (container.envFrom) yield* validateEnvironmentSources(container.envFrom, `${path}.envFrom`);
  yield* validateVolumeUse(container, volumes, path);
  yield* oneOf(container.imagePullPolicy, pullPolicies, `${path}.imagePullPolicy`, 'required');
  yield* validateResourceRequirements(container.resources, `${path}.resources`);
  yield* validateClaimUse(container, spec, `${path}.resources.claims`);
  yield* validateResizePolicy(container, spec, `${path}.resizePolicy`);
  yield* validateContainerSecurity(container.securityContext, spec.hostUsers, `${path}.securityContext`);
}

const resizableResources = ['cpu', 'memory'];
const resizePolicies = ['NotRequired', 'RestartContainer'];

/** Upstream names the list, not the item, except for duplicates. */
function* validateResizePolicy(
  { resizePolicy }: Pick<Container, 'resizePolicy'>,
  spec: PodSpec,
  field: string,
): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of (resizePolicy ?? []).entries()) {
    if (seen.has(resourceName)) yield duplicate(`${field}[${index}]`, resourceName);
    seen.add(resourceName);
    yield* oneOf(resourceName, resizableResources, field, 'required');
    yield* oneOf(restartPolicy, resizePolicies, field, 'required');
    if (spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      yield invalidValue(
        field,
        restartPolicy ?? '',
        "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
      );
  }
}

/** That devices are used of claims that the pod has. */
export function* validateClaimUse(
  { resources }: Pick<Container, 'resources'>,
  { resourceClaims }: PodSpec,
  field: string,
): FieldErrors {
  const names = (resourceClaims ?? []).flatMap(({ name }) => name || []).sort();
  const known = new Set(names);
  const choice = names.length === 0 ? ' which is empty' : `: ${names.join(', ')}`;
  const used = new Set<string>();
  /** Claims of which individual requests are used. */
  const usedInPart = new Set<string>();
  for (const [index, { name, request }] of (resources?.claims ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!name) {
      yield required(path);
      continue;
    }
    if (request) yield* invalidFor(`${path}.request`, request, dnsLabelProblems(request));
    const key = request ? `${name}/${request}` : name;
    const overlaps = !request && usedInPart.has(name);
    if (used.has(name)) yield duplicate(path, name);
    else if (used.has(key) || overlaps) yield duplicate(path, key);
    used.add(key);
    if (request) usedInPart.add(name);
    if (!known.has(name))
      yield notFoundField(path, name, `must be one of the names in pod.spec.resourceClaims${choice}`);
  }
}

function* validatePorts(ports: ContainerPort[], field: string): FieldErrors {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `${field}[${index}]`;
    if (port.name) {
      const problems = portNameProblems(port.name);
      if (problems.length > 0) yield* invalidFor(`${path}.name`, port.name, problems);
      else if (names.has(port.name)) yield duplicate(`${path}.name`, port.name);
      else names.add(port.name);
    }
    if (!port.containerPort) yield required(`${path}.containerPort`);
    else yield* portNumber(port.containerPort, `${path}.containerPort`);
    if (port.hostPort) yield* portNumber(port.hostPort, `${path}.hostPort`);
    yield* oneOf(port.protocol, protocols, `${path}.protocol`, 'required');
  }
}

function* validateHostPorts(containers: Container[], field: string, firstIndex = 0): FieldErrors {
  const seen = new Set<string>();
  for (const [index, container] of containers.entries())
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (seen.has(key)) yield duplicate(`${field}[${firstIndex + index}].ports[${portIndex}].hostPort`, key);
      seen.add(key);
    }
}
