/** Brings what was seen into the recorded form: generated values become placeholders, states become summaries. */
import type { KubeObject } from '../../../src/api/meta.ts';
import type { EndpointSlice, Endpoints, Pod } from '../../../src/api/resources.gen.ts';
import type { ContainerStatus } from '../../../src/api/types/core-v1.gen.ts';
import type { Life } from './observer.ts';
import type { Json, JsonObject } from './scenario.ts';

const suffix = '[bcdfghjklmnpqrstvwxz2456789]{5}';
const isSuffix = new RegExp(`^${suffix}$`);

export class Normalizer {
  readonly #namespace: string;
  readonly #nodes: readonly string[];
  /** Real text → placeholder, longest first. */
  readonly #names: [real: string, placeholder: string][];

  constructor(namespace: string, nodes: readonly string[], lives: Iterable<Life>) {
    this.#namespace = namespace;
    this.#nodes = nodes;
    const names = new Map<string, string>();
    const hashes = new Map<string, string>();
    for (const life of lives) {
      const [first] = life.states;
      for (const hash of hashesOf(first!)) {
        if (!hashes.has(hash)) hashes.set(hash, hashes.size === 0 ? '<hash>' : `<hash${hashes.size + 1}>`);
      }
      const { name, generateName } = first!.metadata;
      // Pods of a StatefulSet say what their names could be generated from, and have others.
      if (generateName && name.startsWith(generateName) && isSuffix.test(name.slice(generateName.length)))
        names.set(name, `${generateName}<suffix>`);
      if (life.resource === 'jobs' && first!.metadata.ownerReferences?.[0]?.kind === 'CronJob')
        names.set(name, name.replace(/\d+$/, '<time>'));
    }
    const hashed = (text: string) => {
      let result = text;
      for (const [hash, placeholder] of hashes) result = result.replaceAll(hash, placeholder);
      for (const [real, placeholder] of names)
        if (!placeholder.includes('<suffix>')) result = result.replaceAll(real, placeholder);
      return result;
    };
    const all: [string, string][] = [...names].map(([real, placeholder]) => [real, hashed(placeholder)]);
    for (const [hash, placeholder] of hashes) all.push([hash, placeholder]);
    this.#names = all.sort((a, b) => b[0].length - a[0].length);
  }

  text(value: string): string {
    let result = value.replaceAll(this.#namespace, '<ns>');
    for (const node of this.#nodes)
      result = result.replace(new RegExp(`(?<![\\w-])${node}(?![\\w-])`, 'g'), '<node>');
    for (const [real, placeholder] of this.#names) result = result.replaceAll(real, placeholder);
    return result
      .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replace(/\b(\d{1,3}\.){3}\d{1,3}\b(?!:1\/)/g, (ip) => (ip.startsWith('127.') ? ip : '<ip>'))
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uid>')
      .replace(new RegExp(`("[^" ]*-(?:<hash\\d?>-)?)${suffix}(" is forbidden)`, 'g'), '$1<suffix>$2');
  }

  value(value: unknown): Json {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value !== 'object' || value === null) return (value ?? null) as Json;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [this.text(key), this.value(item)]),
    );
  }
}

/** Template and revision hashes, in order of appearance. */
function hashesOf(object: KubeObject): string[] {
  const { labels = {} } = object.metadata;
  const found: string[] = [];
  if (object.kind === 'ReplicaSet' || labels['pod-template-hash'])
    found.push(labels['pod-template-hash'] ?? '');
  const revision = labels['controller-revision-hash'] ?? labels['controller.kubernetes.io/hash'];
  if (revision) found.push(revision.split('-').at(-1)!);
  const status = (object as { status?: { currentRevision?: string; updateRevision?: string } }).status;
  for (const name of [status?.currentRevision, status?.updateRevision])
    if (name) found.push(name.split('-').at(-1)!);
  return found.filter((hash) => hash !== '');
}

/** Distinct consecutive summaries of an object's states. */
export function transitionsOf(life: Life, normalizer: Normalizer): JsonObject[] {
  const states: JsonObject[] = [];
  const push = (state: JsonObject) => {
    if (JSON.stringify(states.at(-1)) !== JSON.stringify(state)) states.push(state);
  };
  for (const [index, object] of life.states.entries()) {
    const isLast = life.isGone && index === life.states.length - 1;
    const summary = life.resource === 'pods' ? summarizePod(object as Pod) : summarize(life.resource, object);
    push(
      sorted(
        normalizer.value({ ...summary, ...common(object), ...(isLast && { gone: true }) }),
      ) as JsonObject,
    );
  }
  return states;
}

function common({ metadata }: KubeObject): object {
  const owners = metadata.ownerReferences?.map(
    (owner) => `${owner.kind}/${owner.name}${owner.controller ? ' (controller)' : ''}`,
  );
  return {
    ...(metadata.deletionTimestamp && { deleting: true }),
    ...(metadata.finalizers?.length && { finalizers: metadata.finalizers }),
    ...(owners?.length && { owners }),
  };
}

function summarize(resource: string, object: KubeObject): object {
  if (resource === 'endpoints') return { subsets: (object as Endpoints).subsets ?? [] };
  if (resource === 'endpointslices') {
    const { addressType, endpoints, ports } = object as EndpointSlice;
    return { addressType, endpoints: endpoints ?? [], ports: ports ?? null };
  }
  const { spec, status } = object as { spec?: { replicas?: number }; status?: object };
  const revision = object.metadata.annotations?.['deployment.kubernetes.io/revision'];
  const hasReplicas = ['deployments', 'replicasets', 'statefulsets', 'replicationcontrollers'].includes(
    resource,
  );
  const hasStatus = !['configmaps', 'secrets', 'serviceaccounts', 'events'].includes(resource);
  return {
    ...(hasReplicas && { replicas: spec?.replicas }),
    ...(revision && { revision }),
    ...(hasStatus && { status: withoutTimes(status ?? {}) }),
  };
}

function summarizePod({ status }: Pod): object {
  const state = (one: object | undefined) => {
    const [kind, detail] = Object.entries(one ?? {})[0] ?? [];
    if (!kind) return undefined;
    const { reason, exitCode, message } = detail as { reason?: string; exitCode?: number; message?: string };
    return {
      [kind]: {
        ...(reason && { reason }),
        ...(exitCode !== undefined && { exitCode }),
        ...(message && { message }),
      },
    };
  };
  const summarizeContainer = (one: ContainerStatus) => ({
    name: one.name,
    ready: one.ready,
    started: one.started ?? false,
    restartCount: one.restartCount,
    ...(state(one.state) && { state: state(one.state) }),
    ...(state(one.lastState) && { lastState: state(one.lastState) }),
  });
  const containers = (status?.containerStatuses ?? []).map(summarizeContainer);
  const initContainers = (status?.initContainerStatuses ?? []).map(summarizeContainer);
  return {
    phase: status?.phase,
    ...(status?.reason && { reason: status.reason }),
    ...(status?.nominatedNodeName && { nominated: true }),
    conditions: (status?.conditions ?? [])
      .map(({ type, status: is, reason }) => `${type}:${is}${reason ? `:${reason}` : ''}`)
      .sort(),
    ...(containers.length > 0 && { containers }),
    ...(initContainers.length > 0 && { initContainers }),
  };
}

const timeKeys = /(Time|Timestamp|Probe)$/;

function withoutTimes(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(withoutTimes);
    const isConditions = items.every((item) => typeof item === 'object' && item !== null && 'type' in item);
    return isConditions
      ? items.sort((a, b) => ((a as { type: string }).type < (b as { type: string }).type ? -1 : 1))
      : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !timeKeys.test(key))
      .map(([key, item]) => [key, withoutTimes(item)]),
  );
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
