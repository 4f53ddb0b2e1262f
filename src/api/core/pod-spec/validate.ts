/** Validation of a whole pod spec, the same for pods and for every template of pods. */

import type { Pod } from '../../resources.gen.ts';
import type { PodSpec, PodTemplateSpec } from '../../types/core-v1.gen.ts';
import { ipAddress } from '../../validation/addresses.ts';
import { innerForm } from '../../validation/error-value.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
} from '../../validation/field-error.ts';
import { inRange, invalidFor, oneOf, oneOfInOrder } from '../../validation/fields.ts';
import { validateLabels } from '../../validation/label-selector.ts';
import { dnsLabelProblems, searchDomainProblems, subdomainProblems } from '../../validation/names.ts';
import { validateAnnotations } from '../../validation/object-meta.ts';
import { validateContainerResourceName, validateResourceAmount } from '../../validation/resources.ts';
import { validatePodAnnotations } from './annotations.ts';
import { validateAllContainers, validateImagePadding } from './containers.ts';
import { validateFileVolumes } from './file-variables.ts';
import { validatePodResources } from './pod-resources.ts';
import { validateProfilesAgree } from './profiles.ts';
import {
  validateAffinity,
  validateGates,
  validateSpreadConstraints,
  validateTolerations,
} from './scheduling.ts';
import { validatePodSecurityContext, validateUserNamespace } from './security.ts';
import { checkVolumes } from './volumes.ts';
import { validateHostProcesses, validateSystem } from './windows.ts';

const restartPolicies = ['Always', 'OnFailure', 'Never'];
const preemptionPolicies = ['PreemptLowerPriority', 'Never'];
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const deadlineMax = 2147483647;

/** A pod template: its labels and annotations, then its spec. */
export function* validatePodTemplate(template: PodTemplateSpec | undefined, field: string): FieldErrors {
  yield* validateTemplateMetadata(template, field);
  yield* validatePodSpec(template?.spec ?? ({} as PodSpec), `${field}.spec`);
  yield* validateProfilesAgree(template, `${field}.spec`);
  if (template?.spec?.ephemeralContainers?.length)
    yield forbiddenField(
      `${field}.spec.ephemeralContainers`,
      'ephemeral containers not allowed in pod template',
    );
}

/** What holds for pods and not for templates, since older templates break it. */
export function* validatePodImages(spec: PodSpec, field: string): FieldErrors {
  for (const list of ['containers', 'initContainers'] as const)
    for (const [index, { image }] of (spec[list] ?? []).entries())
      yield* validateImagePadding(image, `${field}.${list}[${index}].image`);
}

export function* validateTemplateMetadata(template: PodTemplateSpec | undefined, field: string): FieldErrors {
  yield* validateLabels(template?.metadata?.labels, `${field}.labels`);
  yield* validateAnnotations(template?.metadata?.annotations, `${field}.annotations`);
  yield* validatePodAnnotations(template, `${field}.annotations`);
}

/** In upstream's order. `pod`: whose spec it is; none for a template. */
export function* validatePodSpec(spec: PodSpec, field: string, pod?: Pod): FieldErrors {
  const { errors, usable } = checkVolumes(spec.volumes, `${field}.volumes`, pod?.metadata.name);
  yield* errors;
  yield* validateResourceClaims(spec, `${field}.resourceClaims`);
  yield* validateAllContainers(spec, usable, field);
  yield* validatePodResources(spec, `${field}.resources`);
  yield* validateHostNetwork(spec, field, { isPod: pod !== undefined });
  yield* oneOfInOrder(spec.restartPolicy, restartPolicies, `${field}.restartPolicy`, 'required');
  yield* oneOfInOrder(spec.dnsPolicy, dnsPolicies, `${field}.dnsPolicy`, 'required');
  yield* validateLabels(spec.nodeSelector, `${field}.nodeSelector`);
  yield* validatePodSecurityContext(spec, spec.securityContext, `${field}.securityContext`);
  yield* validateAffinity(spec.affinity, `${field}.affinity`);
  yield* validateDns(spec, field);
  yield* validateGates(spec, field);
  yield* validateSpreadConstraints(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`);
  yield* validateHostProcesses(spec, field);
  yield* validateUserNamespace(spec, field);
  yield* validateHostnameOverride(spec, `${field}.hostnameOverride`);
  yield* validateNames(spec, field);
  yield* validateTolerations(spec.tolerations, `${field}.tolerations`);
  yield* validateHostAliases(spec, `${field}.hostAliases`);
  for (const name of ['priorityClassName', 'runtimeClassName'] as const)
    if (spec[name]) yield* invalidFor(`${field}.${name}`, spec[name], subdomainProblems(spec[name]));
  if (spec.preemptionPolicy !== undefined)
    yield* oneOfInOrder(spec.preemptionPolicy, preemptionPolicies, `${field}.preemptionPolicy`, 'required');
  for (const name in spec.overhead) {
    // Upstream has one rule for amounts, under the name of limits.
    yield* validateContainerResourceName(name, `${field}.overhead.limits[${name}]`);
    yield* validateResourceAmount(name, spec.overhead[name]!, `${field}.overhead.limits[${name}]`);
  }
  if (spec.os?.name) yield* oneOf(spec.os.name, ['linux', 'windows'], `${field}.os`);
  else if (spec.os) yield required(`${field}.os.name`);
  yield* validateSystem(spec, field);
  yield* validateFileVolumes(spec, field);
}

function* validateNames(spec: PodSpec, field: string): FieldErrors {
  for (const name of ['serviceAccountName', 'nodeName'] as const)
    if (spec[name]) yield* invalidFor(`${field}.${name}`, spec[name], subdomainProblems(spec[name]));
  if (spec.activeDeadlineSeconds !== undefined)
    yield* inRange(spec.activeDeadlineSeconds, 1, deadlineMax, `${field}.activeDeadlineSeconds`);
  for (const name of ['hostname', 'subdomain'] as const)
    if (spec[name]) yield* invalidFor(`${field}.${name}`, spec[name], dnsLabelProblems(spec[name]));
}

function* validateHostAliases({ hostAliases }: PodSpec, field: string): FieldErrors {
  for (const [index, alias] of (hostAliases ?? []).entries()) {
    const path = `${field}[${index}]`;
    yield* ipAddress(alias.ip ?? '', `${path}.ip`);
    for (const [nameIndex, name] of (alias.hostnames ?? []).entries())
      yield* invalidFor(`${path}.hostnames[${nameIndex}]`, name, subdomainProblems(name));
  }
}

const hostnameMax = 64;

function* validateHostnameOverride(spec: PodSpec, field: string): FieldErrors {
  const { hostnameOverride: name, setHostnameAsFQDN, hostNetwork } = spec;
  if (name === undefined) return;
  if (setHostnameAsFQDN) yield forbiddenField(field, 'may not be specified when setHostnameAsFQDN is true');
  if (hostNetwork) yield forbiddenField(field, 'may not be specified when hostNetwork is true');
  if (name.length > hostnameMax) yield tooLong(field, hostnameMax);
  yield* invalidFor(field, name, subdomainProblems(name));
}

/** In the host's network a port is one of the host. A template may leave it open: its pods have it by default. */
function* validateHostNetwork(spec: PodSpec, field: string, { isPod }: { isPod: boolean }): FieldErrors {
  if (!spec.hostNetwork) return;
  for (const [index, container] of (spec.containers ?? []).entries())
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      const { hostPort = 0, containerPort = 0 } = port;
      if ((isPod || hostPort !== 0) && hostPort !== containerPort)
        yield invalidValue(
          `${field}.containers[${index}].ports[${portIndex}].hostPort`,
          hostPort,
          'must match `containerPort` when `hostNetwork` is true',
        );
    }
}

const nameserversMax = 3;
const searchesMax = 32;
const searchTextMax = 2048;

function* validateDns(spec: PodSpec, field: string): FieldErrors {
  const config = spec.dnsConfig;
  const path = `${field}.dnsConfig`;
  if (spec.dnsPolicy === 'None') {
    if (!config) yield required(path, 'must provide `dnsConfig` when `dnsPolicy` is None');
    else if (!config.nameservers?.length)
      yield required(
        `${path}.nameservers`,
        'must provide at least one DNS nameserver when `dnsPolicy` is None',
      );
  }
  if (!config) return;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > nameserversMax)
    yield invalidValue(
      `${path}.nameservers`,
      nameservers,
      `must not have more than ${nameserversMax} nameservers`,
    );
  for (const [index, address] of nameservers.entries())
    yield* ipAddress(address, `${path}.nameservers[${index}]`);
  if (searches.length > searchesMax)
    yield invalidValue(`${path}.searches`, searches, `must not have more than ${searchesMax} search paths`);
  if (searches.join(' ').length > searchTextMax)
    yield invalidValue(
      `${path}.searches`,
      searches,
      `must not have more than ${searchTextMax} characters (including spaces) in the search list`,
    );
  for (const [index, search] of searches.entries()) {
    // The root and a trailing dot are names that resolvers know.
    const name = search.replace(/\.$/, '');
    if (search !== '.') yield* invalidFor(`${path}.searches[${index}]`, name, searchDomainProblems(name));
  }
  for (const [index, option] of options.entries())
    if (!option.name) yield required(`${path}.options[${index}]`, 'must not be empty');
}

function* validateResourceClaims(spec: PodSpec, field: string): FieldErrors {
  const names = new Set<string>();
  for (const [index, claim] of (spec.resourceClaims ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!claim.name) yield required(`${path}.name`);
    else if (names.has(claim.name)) yield duplicate(`${path}.name`, claim.name);
    else yield* invalidFor(`${path}.name`, claim.name, dnsLabelProblems(claim.name));
    names.add(claim.name);
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      yield invalidValue(
        path,
        innerForm('core.PodResourceClaim', claim),
        'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
      );
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      yield invalidValue(
        path,
        innerForm('core.PodResourceClaim', claim),
        'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
      );
    for (const name of ['resourceClaimName', 'resourceClaimTemplateName'] as const)
      if (typeof claim[name] === 'string')
        yield* invalidFor(`${path}.${name}`, claim[name], subdomainProblems(claim[name]));
  }
}
