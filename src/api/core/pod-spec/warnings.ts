/** What is accepted in a pod spec but deserves a warning, which clients print. */
import { tryParseQuantity } from '../../quantity.ts';
import type { Container, PodAffinity, PodSpec, PodTemplateSpec, Volume } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';

/** Node labels under their first names. */
const oldNodeLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region':
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone':
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type':
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

const oldVolumes: Partial<Record<keyof Volume, string>> = {
  gitRepo: 'deprecated in v1.11',
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
  'seccomp.security.alpha.kubernetes.io/pod':
    'non-functional in v1.27+; use the "seccompProfile" field instead',
  'scheduler.alpha.kubernetes.io/critical-pod':
    'non-functional in v1.16+; use the "priorityClassName" field instead',
};

/** For a template that is new or was changed. `field`: the path of the template, e.g. `spec.template`. */
export function* templateWarnings(
  template: PodTemplateSpec | undefined,
  old: PodTemplateSpec | undefined,
  field: string,
): Iterable<string> {
  if (!template?.spec || (old && semanticEqual(template, old))) return;
  yield* podWarnings({ metadata: template.metadata, spec: template.spec }, `${field}.`);
}

/** `prefix`: precedes `spec` and `metadata` in paths. */
export function* podWarnings(
  pod: { metadata?: { annotations?: Record<string, string> } | undefined; spec: PodSpec },
  prefix = '',
): Iterable<string> {
  const { spec } = pod;
  for (const key in spec.nodeSelector)
    if (oldNodeLabels[key]) yield `${prefix}spec.nodeSelector[${key}]: ${oldNodeLabels[key]}`;
  for (const [index, { topologyKey }] of (spec.topologySpreadConstraints ?? []).entries())
    if (oldNodeLabels[topologyKey])
      yield `${prefix}spec.topologySpreadConstraints[${index}].topologyKey: ${topologyKey} is ${oldNodeLabels[topologyKey]}`;
  for (const key in pod.metadata?.annotations)
    if (oldAnnotations[key]) yield `${prefix}metadata.annotations[${key}]: ${oldAnnotations[key]}`;
  for (const [index, volume] of (spec.volumes ?? []).entries())
    for (const type in volume) {
      const why = oldVolumes[type as keyof Volume];
      if (why && volume[type as keyof Volume]) yield `${prefix}spec.volumes[${index}].${type}: ${why}`;
    }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    yield `${prefix}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`;
  for (const list of ['initContainers', 'containers'] as const)
    for (const [index, container] of (spec[list] ?? []).entries())
      yield* containerWarnings(container, `${prefix}spec.${list}[${index}]`);
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const)
    yield* affinityWarnings(spec.affinity?.[kind], `${prefix}spec.affinity.${kind}`);
}

function* affinityWarnings(affinity: PodAffinity | undefined, path: string): Iterable<string> {
  const none = 'labelSelector: a null labelSelector results in matching no pod';
  const { requiredDuringSchedulingIgnoredDuringExecution: required = [] } = affinity ?? {};
  for (const [index, term] of required.entries())
    if (!term.labelSelector) yield `${path}.requiredDuringSchedulingIgnoredDuringExecution[${index}].${none}`;
  const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } = affinity ?? {};
  for (const [index, { podAffinityTerm }] of preferred.entries())
    if (!podAffinityTerm?.labelSelector)
      yield `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.${none}`;
}

function* containerWarnings(container: Container, path: string): Iterable<string> {
  const names = new Set<string>();
  for (const [index, { name }] of (container.env ?? []).entries()) {
    if (names.has(name))
      yield `${path}.env[${index}]: hides previous definition of "${name}", which may be dropped when using apply`;
    names.add(name);
  }
  const ports = new Map<string, number>();
  for (const [index, port] of (container.ports ?? []).entries()) {
    const key = `${port.containerPort}/${port.protocol}/${port.hostPort ?? 0}/${port.hostIP ?? ''}`;
    const first = ports.get(key);
    if (first !== undefined)
      yield `${path}.ports[${index}]: duplicate port definition with ${path}.ports[${first}]`;
    else ports.set(key, index);
  }
  for (const list of ['limits', 'requests'] as const)
    for (const name of ['memory', 'ephemeral-storage']) {
      const amount = container.resources?.[list]?.[name];
      const quantity = amount === undefined ? undefined : tryParseQuantity(amount);
      if (quantity && quantity.nanos % 1_000_000_000n !== 0n)
        yield `${path}.resources.${list}[${name}]: fractional byte value "${amount}" is invalid, must be an integer`;
    }
}
