/** PodSecurity: what pods may do in a namespace, by the levels that its labels name. */
import type { KubeObject } from '../../../../api/meta.ts';
import { Namespace, Pod } from '../../../../api/resources.gen.ts';
import { forbidden, invalid } from '../../../../api/status.ts';
import type { ObjectReader } from '../../../object-reader.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from '../../admission.ts';
import { isWriteOf } from '../../writes.ts';
import { violationsOf } from './checks.ts';
import { mayForbidMore, warningsOfExisting } from './existing-pods.ts';
import {
  type LevelVersion,
  type Mode,
  minorOf,
  type NamespacePolicy,
  nameOf,
  namespacePolicy,
  policyErrors,
} from './namespace-policy.ts';

/** Called for every evaluation. */
export interface PodSecurityObserver {
  evaluated(evaluation: Evaluation): void;
}

export interface Evaluation extends LevelVersion {
  isAllowed: boolean;
  mode: Mode;
  operation: 'create' | 'update';
  resource: 'pod' | 'controller';
  subresource: string;
}

const prefix = 'pod-security.kubernetes.io/';

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

const resources = [
  writesOf(Namespace),
  writesOf(Pod),
  writesOf(Pod, 'ephemeralcontainers'),
  ...Object.keys(templatePaths).map((resource) => {
    const [plural = '', group = ''] = resource.split('/').reverse();
    return writesOf({ group, plural });
  }),
];

export function podSecurity(objects: ObjectReader, observer: PodSecurityObserver): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    operations: ['CREATE', 'UPDATE'],
    resources,
    validate(attributes) {
      if (isWriteOf(attributes, Namespace, 'CREATE', 'UPDATE')) return evaluateNamespace(objects, attributes);
      const found = podOf(attributes);
      if (!found) return;
      const policy = namespacePolicy(
        objects.get(Namespace, '', attributes.request.namespace)?.metadata.labels,
      );
      evaluatePod(found, policy, attributes, observer);
    },
  };
}

interface FoundPod {
  pod: Pod;
  /** False for the template of pods to come: those are refused when they come. */
  isPod: boolean;
}

/** Undefined when the request is about none, or changes nothing that matters. */
function podOf({ operation, request, object, old }: AdmissionAttributes): FoundPod | undefined {
  if (!object) return undefined;
  const { group, plural } = request.resource.definition.type;
  const resource = group ? `${group}/${plural}` : plural;
  const isPod = resource === 'pods';
  const pod = isPod ? (object as Pod) : templateOf(object, templatePaths[resource]);
  if (!pod?.spec) return undefined;
  if (isPod && operation === 'UPDATE' && !mattersToSecurity(object as Pod, old as Pod)) return undefined;
  return { pod, isPod };
}

/** @throws StatusError 403 */
function evaluatePod(
  { pod, isPod }: FoundPod,
  policy: NamespacePolicy,
  { operation, request }: AdmissionAttributes,
  observer: PodSecurityObserver,
): void {
  const report = (mode: Mode, result: { isAllowed: boolean }) =>
    observer.evaluated({
      ...policy[mode],
      ...result,
      mode,
      operation: operation === 'CREATE' ? 'create' : 'update',
      resource: isPod ? 'pod' : 'controller',
      subresource: request.subresource,
    });
  const note = (key: string, text: string) => {
    if (request.annotations) request.annotations[prefix + key] = text;
  };
  let problems: string | undefined;
  if (isPod) {
    note('enforce-policy', nameOf(policy.enforce));
    problems = describe(pod, policy.enforce);
    report('enforce', { isAllowed: !problems });
  }
  const audited = describe(pod, policy.audit);
  if (audited) {
    note('audit-violations', `would violate PodSecurity "${nameOf(policy.audit)}": ${audited}`);
    report('audit', { isAllowed: false });
  }
  if (problems)
    throw forbidden(Pod, pod.metadata.name, `violates PodSecurity "${nameOf(policy.enforce)}": ${problems}`);
  const warnings = describe(pod, policy.warn);
  if (!warnings) return;
  request.warnings.push(`would violate PodSecurity "${nameOf(policy.warn)}": ${warnings}`);
  report('warn', { isAllowed: false });
}

/** Undefined when nothing is wrong. */
function describe(pod: Pod, { level, version }: LevelVersion): string | undefined {
  const violations = violationsOf(pod, level, minorOf(version));
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

/** A pod that a level now forbids runs on, and may be labelled and annotated: only other images are a reason to look. */
function mattersToSecurity({ spec: next }: Pod, { spec: old }: Pod): boolean {
  const images = (containers: readonly { name: string; image?: string }[] = []) =>
    JSON.stringify(containers.map(({ name, image }) => [name, image]));
  const lists = ['containers', 'initContainers', 'ephemeralContainers'] as const;
  return lists.some((list) => images(next?.[list]) !== images(old?.[list]));
}

/** Labels that are wrong already may stay, so that other things of the namespace can change. @throws StatusError 422 */
function evaluateNamespace(objects: ObjectReader, attributes: AdmissionAttributes): void {
  const { object, old, request } = attributes;
  const errors = [...policyErrors(object?.metadata.labels)];
  const textsBefore = old ? [...policyErrors(old.metadata.labels)].map(({ text }) => text) : [];
  const isOld =
    old && errors.length === textsBefore.length && errors.every(({ text }) => textsBefore.includes(text));
  if (errors.length > 0 && !isOld)
    throw invalid({ group: '', kind: 'Namespace' }, request.name || object!.metadata.name, errors);
  if (!old) return;
  const next = namespacePolicy(object?.metadata.labels).enforce;
  const before = namespacePolicy(old.metadata.labels).enforce;
  if (mayForbidMore(next, before))
    request.warnings.push(...warningsOfExisting(request.name, objects.list(Pod, request.name), next));
}
