/** A pod with everything that scheduling needs to know of it, computed once. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { sameLabels } from '../../api/selectors/same-labels.ts';
import type { Affinity, Container, ContainerStatus } from '../../api/types/core-v1.gen.ts';
import { type AffinityTerm, compileAffinityTerm, selectsByOwnLabels } from './affinity-term.ts';
import { noResources, type Resources, resourcesFrom } from './resources.ts';

export interface WeightedTerm {
  weight: number;
  term: AffinityTerm;
}

export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

export interface PodInfo {
  /** The newest object known; replaced when only its status changed. */
  pod: Pod;
  readonly uid: string;
  /** Equal for pods that nodes cannot tell apart; see {@link shapeOf}. */
  shape: number | undefined;
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly priority: number;
  readonly requests: Resources;
  /** With upstream's minimum (100m, 200Mi) for containers without requests: for scoring. */
  readonly scoredRequests: Resources;
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly WeightedTerm[];
  readonly preferredAntiAffinity: readonly WeightedTerm[];
  /** Some of these terms select by values of the pod's own labels. */
  readonly hasTermsOfOwnLabels: boolean;
  readonly hostPorts: readonly HostPort[];
  /** `namespace/name` of the claims of its volumes, those of generic ephemeral volumes included. */
  readonly claims: readonly string[];
}

const scoredContainerDefaults = { cpu: '100m', memory: '200Mi' };
const none: readonly never[] = [];

export function createPodInfo(pod: Pod): PodInfo {
  const { spec, metadata } = pod;
  const affinity = spec?.affinity;
  const namespace = metadata.namespace ?? '';
  return {
    pod,
    uid: metadata.uid,
    shape: undefined,
    key: `${namespace}/${metadata.name}`,
    namespace,
    priority: spec?.priority ?? 0,
    requests: readRequests(pod, undefined),
    scoredRequests: readRequests(pod, scoredContainerDefaults),
    ...readAffinity(pod, affinity),
    hostPorts: readHostPorts(pod),
    claims: readClaims(pod),
  };
}

function readRequests(pod: Pod, containerDefaults: Record<string, string> | undefined): Resources {
  const amounts = computePodRequests(pod, numericAmounts, {
    useStatus: true,
    ...(containerDefaults && { containerDefaults }),
  });
  return amounts.size === 0 ? noResources() : resourcesFrom(amounts);
}

function readAffinity(pod: Pod, affinity: Affinity | undefined) {
  let hasTermsOfOwnLabels = false;
  const compile = (term: Parameters<typeof compileAffinityTerm>[0]) => {
    hasTermsOfOwnLabels ||= selectsByOwnLabels(term);
    return compileAffinityTerm(term, pod);
  };
  const weigh = (entry: { weight: number; podAffinityTerm: Parameters<typeof compileAffinityTerm>[0] }) => ({
    weight: entry.weight,
    term: compile(entry.podAffinityTerm),
  });
  const near = affinity?.podAffinity;
  const apart = affinity?.podAntiAffinity;
  const terms = {
    requiredAffinity: near?.requiredDuringSchedulingIgnoredDuringExecution?.map(compile) ?? none,
    requiredAntiAffinity: apart?.requiredDuringSchedulingIgnoredDuringExecution?.map(compile) ?? none,
    preferredAffinity: near?.preferredDuringSchedulingIgnoredDuringExecution?.map(weigh) ?? none,
    preferredAntiAffinity: apart?.preferredDuringSchedulingIgnoredDuringExecution?.map(weigh) ?? none,
  };
  return { ...terms, hasTermsOfOwnLabels };
}

/** Host ports of containers and sidecars. */
function readHostPorts(pod: Pod): readonly HostPort[] {
  const sidecars = pod.spec?.initContainers?.filter(isSidecar);
  let ports: HostPort[] | undefined;
  for (const containers of [pod.spec?.containers, sidecars])
    for (const container of containers ?? [])
      for (const { hostPort, hostIP, protocol } of container.ports ?? [])
        if (hostPort) {
          ports ??= [];
          ports.push({ ip: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port: hostPort });
        }
  return ports ?? none;
}

function readClaims(pod: Pod): readonly string[] {
  let claims: string[] | undefined;
  for (const volume of pod.spec?.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    claims ??= [];
    claims.push(`${pod.metadata.namespace}/${name}`);
  }
  return claims ?? none;
}

/** The claim behind a volume: the named one, or the one created for a generic ephemeral volume. */
export function claimNameOf(
  pod: Pod,
  volume: { name: string; persistentVolumeClaim?: { claimName: string }; ephemeral?: unknown },
): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined;
}

/**
 * Whether the two are the same to nodes and other pods, except that one may be terminating: most updates only report a
 * status.
 */
export function asksTheSame(before: Pod, after: Pod): boolean {
  return sameLabels(before.metadata.labels, after.metadata.labels) && takesTheSame(before, after);
}

/** Whether the two are the same to their node. Their labels, which only matter to other pods, may differ. */
export function takesTheSame(before: Pod, after: Pod): boolean {
  return (
    !hasResize(before) &&
    !hasResize(after) &&
    (sharesAllButNode(before.spec, after.spec) ||
      (before.metadata.generation === after.metadata.generation &&
        JSON.stringify(before.spec?.containers?.map(({ resources }) => resources)) ===
          JSON.stringify(after.spec?.containers?.map(({ resources }) => resources))))
  );
}

/** As a binding leaves it: what it does not change is the very same. */
function sharesAllButNode(before: Pod['spec'], after: Pod['spec']): boolean {
  if (before === after) return true;
  if (!before || !after) return false;
  const isShared = (key: string) => key === 'nodeName' || valueAt(before, key) === valueAt(after, key);
  return Object.keys(after).every(isShared) && Object.keys(before).every(isShared);
}

function valueAt(spec: object, key: string): unknown {
  return (spec as Record<string, unknown>)[key];
}

/** The node's report of resources in use counts only while it differs from the spec. */
function hasResize({ spec, status }: Pod): boolean {
  if (!status) return false;
  return (
    (status.conditions?.some(({ type }) => type.startsWith('PodResize')) ?? false) ||
    holdOther(spec?.containers, status.containerStatuses) ||
    holdOther(spec?.initContainers, status.initContainerStatuses) ||
    holdsOther(spec?.resources?.requests, status.resources?.requests) ||
    holdsOther(spec?.resources?.requests, status.allocatedResources)
  );
}

function holdOther(containers: Container[] | undefined, statuses: ContainerStatus[] | undefined): boolean {
  for (const { name, resources, allocatedResources } of statuses ?? []) {
    if (!resources?.requests && !allocatedResources) continue;
    const asked = containers?.find((container) => container.name === name)?.resources?.requests;
    if (holdsOther(asked, resources?.requests) || holdsOther(asked, allocatedResources)) return true;
  }
  return false;
}

/** Of what is not asked for, the status of a pod as a whole also has the sums of its containers. */
function holdsOther(asked: Amounts, held: Amounts): boolean {
  for (const name in asked) if (held?.[name] !== undefined && held[name] !== asked[name]) return true;
  return false;
}

type Amounts = Record<string, string> | undefined;

/** Shapes by their text. Cleared when it grows past this: numbers are never reused. */
const shapes = new Map<string, number>();
const shapesMax = 10_000;
let lastShape = 0;

/** A number for everything by which nodes judge a pod: requests, images, ports, selectors, tolerations, priority. */
export function shapeOf(info: PodInfo): number {
  if (info.shape !== undefined) return info.shape;
  const { spec } = info.pod;
  const container = ({ image, resources, ports, restartPolicy }: Container) => [
    image,
    resources,
    ports,
    restartPolicy,
  ];
  const text = JSON.stringify([
    spec?.schedulerName,
    info.priority,
    spec?.nodeName,
    spec?.nodeSelector,
    spec?.affinity?.nodeAffinity,
    spec?.tolerations,
    spec?.overhead,
    spec?.resources,
    spec?.containers?.map(container),
    spec?.initContainers?.map(container),
    info.pod.status?.containerStatuses?.map(({ resources }) => resources),
  ]);
  let shape = shapes.get(text);
  if (shape === undefined) {
    if (shapes.size >= shapesMax) shapes.clear();
    shape = ++lastShape;
    shapes.set(text, shape);
  }
  info.shape = shape;
  return shape;
}
