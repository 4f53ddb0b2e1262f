/** PodSecurity: what pods may do in a namespace, by the levels that its labels name. */
import type { KubeObject } from '../../../api/meta.ts';
import { Namespace, Pod } from '../../../api/resources.gen.ts';
import { forbidden } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { isWriteOf } from '../pod-write.ts';
import { type Level, violationsOf } from './checks.ts';

const prefix = 'pod-security.kubernetes.io/';
const levels: readonly string[] = ['privileged', 'baseline', 'restricted'];

interface Policy {
  level: Level;
  /** As the label says: `latest` or `v1.30`. */
  version: string;
}

/** Where kinds that make pods keep the pod's template. */
const templatePaths: Readonly<Record<string, readonly string[]>> = {
  'apps/daemonsets': ['spec', 'template'],
  'apps/deployments': ['spec', 'template'],
  'apps/replicasets': ['spec', 'template'],
  'apps/statefulsets': ['spec', 'template'],
  'batch/jobs': ['spec', 'template'],
  'batch/cronjobs': ['spec', 'jobTemplate', 'spec', 'template'],
  podtemplates: ['template'],
  replicationcontrollers: ['spec', 'template'],
};

export function podSecurity(objects: ObjectReader): AdmissionPlugin {
  const policyOf = (namespace: string, mode: 'enforce' | 'warn'): Policy => {
    const labels = objects.get(Namespace, '', namespace)?.metadata.labels ?? {};
    return policyFrom(labels, mode);
  };
  return {
    name: 'PodSecurity',
    validate(attributes) {
      if (isWriteOf(attributes, Namespace, 'UPDATE')) return warnOfExisting(objects, attributes);
      const { operation, request, object } = attributes;
      if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return;
      const { group, plural } = request.resource.definition.type;
      const resource = group ? `${group}/${plural}` : plural;
      const isPod = resource === 'pods';
      if (request.subresource !== '' && !(isPod && request.subresource === 'ephemeralcontainers')) return;
      const pod = isPod ? (object as Pod) : templateOf(object, templatePaths[resource]);
      if (!pod?.spec) return;
      if (isPod && operation === 'UPDATE' && !mattersToSecurity(object as Pod, attributes.old as Pod)) return;
      const enforced = policyOf(request.namespace, 'enforce');
      if (isPod) {
        const problems = describe(pod, enforced);
        if (problems)
          throw forbidden(Pod, pod.metadata.name, `violates PodSecurity ${nameOf(enforced)}: ${problems}`);
      }
      const warned = policyOf(request.namespace, 'warn');
      const warnings = describe(pod, warned);
      if (warnings) request.warnings.push(`would violate PodSecurity ${nameOf(warned)}: ${warnings}`);
    },
  };
}

function policyFrom(labels: Readonly<Record<string, string>>, mode: string): Policy {
  const level = labels[prefix + mode];
  const version = labels[`${prefix}${mode}-version`] ?? 'latest';
  if (level === undefined) return { level: 'privileged', version };
  // An unknown level must not open the namespace.
  return { level: levels.includes(level) ? (level as Level) : 'restricted', version };
}

function nameOf({ level, version }: Policy): string {
  return JSON.stringify(`${level}:${version}`);
}

/** Undefined when nothing is wrong. */
function describe(pod: Pod, { level }: Policy): string | undefined {
  const violations = violationsOf(pod, level);
  if (violations.length === 0) return undefined;
  return violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
}

function templateOf(object: KubeObject, path: readonly string[] | undefined): Pod | undefined {
  if (!path) return undefined;
  let value: unknown = object;
  for (const part of path) value = (value as Record<string, unknown> | undefined)?.[part];
  const template = value as Partial<Pod> | undefined;
  if (!template?.spec) return undefined;
  return { ...template, metadata: template.metadata ?? object.metadata } as Pod;
}

/** Of a running pod only images, tolerations and the like may change: most updates need not be judged again. */
function mattersToSecurity(next: Pod, old: Pod): boolean {
  const relevant = ({ spec, metadata }: Pod) =>
    JSON.stringify([spec?.containers, spec?.initContainers, spec?.ephemeralContainers, metadata.annotations]);
  return relevant(next) !== relevant(old);
}

/** Pods that are there already stay; whoever raises a namespace's level is told of them. */
function warnOfExisting(objects: ObjectReader, { request, object, old }: AdmissionAttributes): void {
  const next = policyFrom(object?.metadata.labels ?? {}, 'enforce');
  const before = policyFrom(old?.metadata.labels ?? {}, 'enforce');
  if (next.level === before.level && next.version === before.version) return;
  if (levels.indexOf(next.level) <= levels.indexOf(before.level)) return;
  const byReasons = new Map<string, string[]>();
  for (const pod of objects.list(Pod, request.name)) {
    const reasons = violationsOf(pod, next.level)
      .map(({ reason }) => reason)
      .join(', ');
    if (!reasons) continue;
    const names = byReasons.get(reasons);
    if (names) names.push(pod.metadata.name);
    else byReasons.set(reasons, [pod.metadata.name]);
  }
  if (byReasons.size === 0) return;
  request.warnings.push(
    `existing pods in namespace ${JSON.stringify(request.name)} violate the new PodSecurity enforce level ${nameOf(next)}`,
  );
  for (const [reasons, [first, ...others]] of byReasons) {
    const more =
      others.length === 0 ? '' : ` (and ${others.length} other pod${others.length === 1 ? '' : 's'})`;
    request.warnings.push(`${first}${more}: ${reasons}`);
  }
}
