/** What is accepted in a pod spec but deserves a warning, which clients print. */
import type { KubeObject } from '../../meta.ts';
import type {
  EnvVar,
  NodeAffinity,
  PodAffinity,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from '../../types/core-v1.gen.ts';
import { addressWarnings } from '../../validation/addresses.ts';
import { dnsLabelProblems } from '../../validation/names.ts';
import { nodeTermWarnings, oldNodeLabel, preferredTermWarnings } from '../../validation/node-labels.ts';
import { fractionWarnings } from '../../validation/resources.ts';
import { claimSpecWarnings } from '../claim-spec.ts';
import { overlapWarnings } from './overlapping-paths.ts';
import { portWarnings } from './port-warnings.ts';
import { appArmorTemplateWarnings, containersOf, seccompOfContainer, seccompOfPod } from './profiles.ts';

/** Of a part of a pod, or of its template in an object. */
interface PodParts {
  metadata?: { annotations?: Record<string, string> } | undefined;
  spec: PodSpec;
}

const oldVolumes: Partial<Record<keyof Volume, string>> = {
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
};

const oldAnnotations: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod':
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};
const seccompField = 'non-functional in v1.27+; use the "seccompProfile" field instead';

const bytesNames = ['memory', 'ephemeral-storage'];
const emptySelector = 'a null labelSelector results in matching no pod';

/** Pods get names made of this one, and host names, which have no dots. */
export function* podNameWarnings(
  { name }: KubeObject['metadata'],
  use = 'this is used in Pod names and hostnames',
): Iterable<string> {
  const problems = dnsLabelProblems(name);
  if (problems.length > 0)
    yield `metadata.name: ${use}, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`;
}

/** Of an object that pods are made of: of its name when it is new, of its template when its spec has changed. */
export function* workloadWarnings<T extends KubeObject>(
  object: T,
  old: T | undefined,
  { template, field }: { template(object: T): PodTemplateSpec | undefined; field: string },
): Iterable<string> {
  if (!old) yield* podNameWarnings(object.metadata);
  yield* templateWarnings(object, old, { template, field });
}

/** As {@link workloadWarnings}, of objects whose pods are named otherwise. */
export function* templateWarnings<T extends KubeObject>(
  object: T,
  old: T | undefined,
  { template, field }: { template(object: T): PodTemplateSpec | undefined; field: string },
): Iterable<string> {
  const { metadata, spec } = template(object) ?? {};
  if (!spec || (old && old.metadata.generation === object.metadata.generation)) return;
  yield* podWarnings({ metadata, spec }, `${field}.`);
}

/** `prefix`: precedes `spec` and `metadata` in paths. */
export function* podWarnings(pod: PodParts, prefix = ''): Iterable<string> {
  const { spec } = pod;
  const path = `${prefix}spec`;
  yield* placementWarnings(spec, path);
  yield* annotationWarnings(pod, prefix);
  for (const [index, volume] of (spec.volumes ?? []).entries())
    yield* volumeWarnings(volume, `${path}.volumes[${index}]`);
  yield* overlapWarnings(spec.volumes ?? []);
  yield* duplicateWarnings(spec, path);
  for (const name of bytesNames) yield* fractionWarnings(spec.overhead, name, `${path}.overhead`);
  yield* seccompWarnings(pod, prefix);
  if (prefix) yield* appArmorTemplateWarnings(pod, prefix);
  for (const [container, field] of containersOf(spec, path)) {
    for (const list of ['limits', 'requests'] as const)
      for (const name of bytesNames)
        yield* fractionWarnings(container.resources?.[list], name, `${field}.resources.${list}`);
    yield* environmentWarnings(container.env ?? [], `${field}.env`);
  }
  yield* portWarnings([...containersOf(spec, path)]);
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    yield `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`;
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const)
    yield* affinityWarnings(spec.affinity?.[kind], `${path}.affinity.${kind}`);
  for (const [index, address] of (spec.dnsConfig?.nameservers ?? []).entries())
    yield* addressWarnings(address, `${path}.dnsConfig.nameservers[${index}]`);
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries())
    yield* addressWarnings(ip, `${path}.hostAliases[${index}].ip`);
}

function* placementWarnings(spec: PodSpec, path: string): Iterable<string> {
  for (const key in spec.nodeSelector) {
    const why = oldNodeLabel(key);
    if (why) yield `${path}.nodeSelector[${key}]: ${why}`;
  }
  yield* nodeAffinityWarnings(spec.affinity?.nodeAffinity, `${path}.affinity.nodeAffinity`);
  for (const [index, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const field = `${path}.topologySpreadConstraints[${index}]`;
    const why = oldNodeLabel(topologyKey);
    if (why) yield `${field}.topologyKey: ${topologyKey} is ${why}`;
    if (!labelSelector) yield `${field}.labelSelector: ${emptySelector}`;
  }
}

function* nodeAffinityWarnings(affinity: NodeAffinity | undefined, path: string): Iterable<string> {
  const { requiredDuringSchedulingIgnoredDuringExecution: required } = affinity ?? {};
  for (const [index, term] of (required?.nodeSelectorTerms ?? []).entries())
    yield* nodeTermWarnings(
      term,
      `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`,
    );
  const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } = affinity ?? {};
  for (const [index, { preference }] of preferred.entries())
    yield* preferredTermWarnings(
      preference,
      `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`,
    );
}

function* annotationWarnings({ metadata }: PodParts, prefix: string): Iterable<string> {
  for (const key in oldAnnotations)
    if (metadata?.annotations?.[key] !== undefined)
      yield `${prefix}metadata.annotations[${key}]: ${oldAnnotations[key]}`;
}

/** Annotations that once said what fields say now. */
function* seccompWarnings({ metadata, spec }: PodParts, prefix: string): Iterable<string> {
  const annotations = metadata?.annotations;
  if (!annotations) return;
  const warning = (key: string) => `${prefix}metadata.annotations[${key}]: ${seccompField}`;
  if (!spec.securityContext?.seccompProfile && annotations[seccompOfPod] !== undefined)
    yield warning(seccompOfPod);
  for (const [{ name, securityContext }] of containersOf(spec, '')) {
    const key = seccompOfContainer + name;
    if (!securityContext?.seccompProfile && annotations[key] !== undefined) yield warning(key);
  }
}

function* volumeWarnings(volume: Volume, path: string): Iterable<string> {
  for (const type in volume) {
    const why = oldVolumes[type as keyof Volume];
    if (why && volume[type as keyof Volume]) yield `${path}.${type}: ${why}`;
  }
  const claim = volume.ephemeral?.volumeClaimTemplate;
  if (claim) yield* claimSpecWarnings(claim.spec, `${path}.ephemeral.volumeClaimTemplate.spec`);
}

/** Of lists that are accepted with entries that stand twice. */
function* duplicateWarnings(spec: PodSpec, path: string): Iterable<string> {
  const addresses = new Set<string>();
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries()) {
    if (addresses.has(ip)) yield `${path}.hostAliases[${index}].ip: duplicate ip ${JSON.stringify(ip)}`;
    addresses.add(ip);
  }
  const secrets = (spec.imagePullSecrets ?? []).map(({ name = '' }) => name);
  for (const [index, name] of secrets.entries())
    if (secrets.indexOf(name) < index)
      yield `${path}.imagePullSecrets[${index}].name: duplicate name ${JSON.stringify(name)}`;
  for (const [index, name] of secrets.entries())
    if (!name) yield `${path}.imagePullSecrets[${index}].name: invalid empty name ""`;
}

/** A variable that stands twice may add to what it was before; otherwise it hides it. */
function* environmentWarnings(variables: readonly EnvVar[], path: string): Iterable<string> {
  const names = new Set<string>();
  for (const [index, { name, value = '', valueFrom }] of variables.entries()) {
    const before = `$(${name})`;
    if (names.has(name) && (valueFrom || value === before || !value.includes(before)))
      yield `${path}[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
    names.add(name);
  }
}

function* affinityWarnings(affinity: PodAffinity | undefined, path: string): Iterable<string> {
  const none = `labelSelector: ${emptySelector}`;
  const { requiredDuringSchedulingIgnoredDuringExecution: required = [] } = affinity ?? {};
  for (const [index, term] of required.entries())
    if (!term.labelSelector) yield `${path}.requiredDuringSchedulingIgnoredDuringExecution[${index}].${none}`;
  const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } = affinity ?? {};
  for (const [index, { podAffinityTerm }] of preferred.entries())
    if (!podAffinityTerm?.labelSelector)
      yield `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.${none}`;
}
