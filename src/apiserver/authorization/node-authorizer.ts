/** What a node may do: read what the pods bound to it need, and little else that RBAC's system:node does not give. */
import { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { mirrorPodAnnotation, nodesGroup, nodeUserPrefix } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { UserInfo } from '../request.ts';
import type { Attributes, Decision, InstantAuthorizer } from './authorizer.ts';
import { podReferences, secretReferencesOf } from './pod-references.ts';
import { type PolicyRule, ruleAllows } from './rules.ts';

/** The node that a user is; undefined for everybody else. */
export function nodeNameOf(user: UserInfo): string | undefined {
  return user.name.startsWith(nodeUserPrefix) && user.groups.includes(nodesGroup)
    ? user.name.slice(nodeUserPrefix.length)
    : undefined;
}

/** What the pods of one node refer to, as `namespace/name`. */
interface NodeNeeds {
  secrets: Set<string>;
  configMaps: Set<string>;
  claims: Set<string>;
  /** Cluster-scoped: names. */
  volumes: Set<string>;
  serviceAccounts: Set<string>;
}

/** `rules`: what every node may do, whatever runs on it (upstream's cluster role system:node). */
export function nodeAuthorizer(objects: ObjectReader, rules: readonly PolicyRule[]): InstantAuthorizer {
  const needs = new Map<string, NodeNeeds>();
  let generation = -1;
  const needsOf = (nodeName: string): NodeNeeds => {
    const now = [Pod, PersistentVolumeClaim, PersistentVolume].reduce(
      (sum, type) => sum + objects.changesOf(type),
      0,
    );
    if (now !== generation) needs.clear();
    generation = now;
    const known = needs.get(nodeName) ?? computeNeeds(objects, nodeName);
    needs.set(nodeName, known);
    return known;
  };
  return (attributes) => {
    const nodeName = nodeNameOf(attributes.user);
    if (nodeName === undefined) return { allowed: false };
    if (nodeName === '')
      return { allowed: false, reason: `unknown node for user ${JSON.stringify(attributes.user.name)}` };
    const { group, resource, subresource } = attributes;
    if (group === '' && resource === 'secrets') return onlyReads(attributes, needsOf(nodeName).secrets);
    if (group === '' && resource === 'configmaps') return onlyReads(attributes, needsOf(nodeName).configMaps);
    if (group === '' && resource === 'persistentvolumeclaims' && subresource === '') {
      return onlyReads(attributes, needsOf(nodeName).claims);
    }
    if (group === '' && resource === 'persistentvolumes')
      return onlyReads(attributes, needsOf(nodeName).volumes);
    if (group === '' && resource === 'serviceaccounts' && subresource === 'token') {
      return onlyTokens(attributes, needsOf(nodeName).serviceAccounts);
    }
    if (group === 'coordination.k8s.io' && resource === 'leases') return onlyOwnLease(attributes, nodeName);
    if (group === 'storage.k8s.io' && resource === 'csinodes') return onlyOwn(attributes, nodeName);
    return { allowed: rules.some((rule) => ruleAllows(rule, attributes)) };
  };
}

function computeNeeds(objects: ObjectReader, nodeName: string): NodeNeeds {
  const needs: NodeNeeds = {
    secrets: new Set(),
    configMaps: new Set(),
    claims: new Set(),
    volumes: new Set(),
    serviceAccounts: new Set(),
  };
  for (const pod of objects.list(Pod)) if (pod.spec.nodeName === nodeName) addPodNeeds(needs, pod);
  for (const claimKey of needs.claims) {
    const [namespace, name] = claimKey.split('/') as [string, string];
    const volumeName = objects.get(PersistentVolumeClaim, namespace, name)?.spec?.volumeName;
    if (!volumeName) continue;
    needs.volumes.add(volumeName);
    const volume = objects.get(PersistentVolume, '', volumeName);
    for (const reference of secretReferencesOf(volume?.spec)) {
      needs.secrets.add(`${reference.namespace ?? namespace}/${reference.name}`);
    }
  }
  return needs;
}

function addPodNeeds(needs: NodeNeeds, pod: Pod): void {
  const { namespace, annotations } = pod.metadata;
  // A mirror pod was not asked for by anybody with rights in the namespace: it opens nothing.
  if (annotations?.[mirrorPodAnnotation]) return;
  const { spec } = pod;
  if (spec.serviceAccountName) needs.serviceAccounts.add(`${namespace}/${spec.serviceAccountName}`);
  const { secrets, configMaps } = podReferences(pod);
  for (const name of secrets) needs.secrets.add(`${namespace}/${name}`);
  for (const name of configMaps) needs.configMaps.add(`${namespace}/${name}`);
  for (const volume of spec.volumes ?? []) {
    if (volume.persistentVolumeClaim)
      needs.claims.add(`${namespace}/${volume.persistentVolumeClaim.claimName}`);
    if (volume.ephemeral) needs.claims.add(`${namespace}/${pod.metadata.name}-${volume.name}`);
  }
}

function onlyReads(attributes: Attributes, keys: ReadonlySet<string>): Decision {
  const { verb, namespace, name } = attributes;
  if (!['get', 'list', 'watch'].includes(verb)) {
    return { allowed: false, reason: 'can only read resources of this type' };
  }
  if (!name) return { allowed: false, reason: 'No Object name found' };
  return keys.has(namespace ? `${namespace}/${name}` : name) ? { allowed: true } : noRelation(attributes);
}

function onlyTokens(attributes: Attributes, keys: ReadonlySet<string>): Decision {
  const { verb, namespace, name } = attributes;
  if (verb !== 'create')
    return { allowed: false, reason: 'can only create tokens for individual service accounts' };
  return keys.has(`${namespace}/${name}`) ? { allowed: true } : noRelation(attributes);
}

function onlyOwnLease(attributes: Attributes, nodeName: string): Decision {
  const { namespace } = attributes;
  if (namespace !== 'kube-node-lease') {
    return { allowed: false, reason: `can only access leases in the "kube-node-lease" system namespace` };
  }
  return onlyOwn(attributes, nodeName);
}

/** A name is not known yet when something is created: admission checks it then. */
function onlyOwn({ verb, name }: Attributes, nodeName: string): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return { allowed: false, reason: 'can only get, create, update, patch, or delete its own object' };
  }
  if (verb !== 'create' && name !== nodeName) {
    return { allowed: false, reason: 'can only access node lease with the same name as the requesting node' };
  }
  return { allowed: true };
}

function noRelation({ user }: Attributes): Decision {
  return {
    allowed: false,
    reason: `no relationship found between node '${nodeNameOf(user)}' and this object`,
  };
}

/** The node that a pod's token may be bound to. */
export function nodeOfPod(objects: ObjectReader, pod: Pod): { name: string; uid?: string } | undefined {
  const { nodeName } = pod.spec;
  if (!nodeName) return undefined;
  const uid = objects.get(Node, '', nodeName)?.metadata.uid;
  return { name: nodeName, ...(uid && { uid }) };
}
