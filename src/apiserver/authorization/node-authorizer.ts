/**
 * What a node may do: read itself, the pods bound to it and what they need, write about these, and little else that
 * RBAC's system:node does not cover. Refusals are in upstream's words.
 */
import { Node, Pod, ResourceSlice, VolumeAttachment } from '../../api/resources.gen.ts';
import { nodesGroup, nodeUserPrefix } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { UserInfo } from '../request.ts';
import type { Attributes, Decision, InstantAuthorizer } from './authorizer.ts';
import { type NodeNeeds, nodeNeeds } from './node-needs.ts';
import { type PolicyRule, ruleAllows } from './rules.ts';

/** The node that a user is; undefined for all other users. */
export function nodeNameOf(user: UserInfo): string | undefined {
  return user.name.startsWith(nodeUserPrefix) && user.groups.includes(nodesGroup)
    ? user.name.slice(nodeUserPrefix.length)
    : undefined;
}

/** A question of a node about a resource that is not every node's alike. */
interface NodeQuestion {
  node: string;
  attributes: Attributes;
  objects: ObjectReader;
  /** Of the node's pods. */
  needs(): NodeNeeds;
}

type NodeAuthorizer = (question: NodeQuestion) => Decision;

/** By `group/resource`. */
const authorizers: Readonly<Record<string, NodeAuthorizer>> = {
  '/secrets': (question) => toRead(question, ({ secrets }) => secrets),
  '/configmaps': (question) => toRead(question, ({ configMaps }) => configMaps),
  '/serviceaccounts': authorizeServiceAccount,
  '/persistentvolumeclaims': authorizeClaim,
  '/persistentvolumes': (question) => toGet(question, ({ needs }) => isNeeded(question, needs().volumes)),
  '/nodes': authorizeNode,
  '/pods': authorizePod,
  'resource.k8s.io/resourceclaims': (question) =>
    toGet(question, ({ needs }) => isNeeded(question, needs().resourceClaims)),
  'resource.k8s.io/resourceslices': authorizeSlice,
  'storage.k8s.io/volumeattachments': (question) => toGet(question, isItsAttachment),
  'storage.k8s.io/csinodes': authorizeCsiNode,
  'coordination.k8s.io/leases': authorizeLease,
};

/** `rules`: what every node may do, whatever runs on it (upstream's cluster role system:node). */
export function nodeAuthorizer(objects: ObjectReader, rules: readonly PolicyRule[]): InstantAuthorizer {
  const needsOf = nodeNeeds(objects);
  return (attributes) => {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return refused();
    if (node === '') return refused(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
    const authorize = attributes.isResource && authorizers[`${attributes.group}/${attributes.resource}`];
    if (authorize) return authorize({ node, attributes, objects, needs: () => needsOf(node) });
    return { allowed: rules.some((rule) => ruleAllows(rule, attributes)) };
  };
}

const allowed: Decision = { allowed: true };

function refused(reason?: string): Decision {
  return { allowed: false, ...(reason && { reason }) };
}

/** Of whatever the node's pods lead to; the name has to be there. */
function ifRelated({ node, attributes }: NodeQuestion, isRelated: () => boolean): Decision {
  if (!attributes.name) return refused('No Object name found');
  return isRelated() ? allowed : refused(`no relationship found between node '${node}' and this object`);
}

function isNeeded({ attributes: { namespace, name } }: NodeQuestion, keys: ReadonlySet<string>): boolean {
  return keys.has(namespace ? `${namespace}/${name}` : name);
}

/** One object at a time, which a list or a watch of its name is too. */
function toRead(question: NodeQuestion, keysOf: (needs: NodeNeeds) => ReadonlySet<string>): Decision {
  const { verb, subresource, namespace } = question.attributes;
  if (!['get', 'list', 'watch'].includes(verb)) return refused('can only read resources of this type');
  if (subresource) return refused('cannot read subresource');
  if (!namespace) return refused('can only read namespaced object of this type');
  return ifRelated(question, () => isNeeded(question, keysOf(question.needs())));
}

function toGet(question: NodeQuestion, isRelated: (question: NodeQuestion) => boolean): Decision {
  const { verb, subresource } = question.attributes;
  if (verb !== 'get') return refused('can only get individual resources of this type');
  if (subresource) return refused('cannot get subresource');
  return ifRelated(question, () => isRelated(question));
}

function authorizeServiceAccount(question: NodeQuestion): Decision {
  const { verb, subresource, name } = question.attributes;
  const accounts = ({ serviceAccounts }: NodeNeeds) => serviceAccounts;
  if (verb === 'get' && !subresource) return toRead(question, accounts);
  if (verb !== 'create' || !name) return refused('can only create tokens for individual service accounts');
  if (subresource !== 'token') return refused('can only create token subresource of serviceaccount');
  return ifRelated(question, () => isNeeded(question, accounts(question.needs())));
}

function authorizeClaim(question: NodeQuestion): Decision {
  const { verb, subresource } = question.attributes;
  const isRelated = () => isNeeded(question, question.needs().claims);
  if (subresource !== 'status') return toGet(question, isRelated);
  if (verb !== 'update' && verb !== 'patch') return refused('can only get/update/patch this type');
  return ifRelated(question, isRelated);
}

/** Which node it writes about, admission sees. */
function authorizeNode({ node, attributes: { verb, subresource, name } }: NodeQuestion): Decision {
  if (subresource === 'status' && (verb === 'update' || verb === 'patch')) return allowed;
  if (subresource) return refused();
  if (verb === 'create' || verb === 'update' || verb === 'patch') return allowed;
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return refused();
  if (name === node) return allowed;
  return refused(
    name
      ? `node '${node}' cannot read '${name}', only its own Node object`
      : `node '${node}' cannot read all nodes, only its own Node object`,
  );
}

const ofPods: Readonly<Record<string, readonly string[]>> = {
  '': ['create', 'delete'],
  status: ['update', 'patch'],
  eviction: ['create'],
};

/** Which pods it writes about, admission sees. */
function authorizePod(question: NodeQuestion): Decision {
  const { verb, subresource, name } = question.attributes;
  if (ofPods[subresource]?.includes(verb)) return allowed;
  if (subresource) return refused();
  if (verb === 'get') return toGet(question, isItsPod);
  if (verb !== 'list' && verb !== 'watch') return refused();
  if (selectsOwn(question)) return allowed;
  if (name) return ifRelated(question, () => isItsPod(question));
  return refused('can only list/watch pods with spec.nodeName field selector');
}

function isItsPod({ node, objects, attributes: { namespace, name } }: NodeQuestion): boolean {
  return objects.get(Pod, namespace, name)?.spec.nodeName === node;
}

function isItsAttachment({ node, objects, attributes: { name } }: NodeQuestion): boolean {
  return objects.get(VolumeAttachment, '', name)?.spec.nodeName === node;
}

/** Its field selector restricts the request to what belongs to the node. */
function selectsOwn({ node, attributes: { selected } }: NodeQuestion): boolean {
  return (selected?.().fields ?? []).some(
    ({ key, operator, values }) => key === 'spec.nodeName' && operator === 'In' && values[0] === node,
  );
}

function authorizeSlice(question: NodeQuestion): Decision {
  const { node, objects, attributes } = question;
  const { verb, subresource, name } = attributes;
  if (subresource) return refused('cannot authorize ResourceSlice subresources');
  switch (verb) {
    case 'create': // of which node it is, admission sees
      return allowed;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      return ifRelated(question, () => objects.get(ResourceSlice, '', name)?.spec.nodeName === node);
    case 'list':
    case 'watch':
    case 'deletecollection':
      return selectsOwn(question)
        ? allowed
        : refused('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return refused(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
  }
}

function authorizeLease(question: NodeQuestion): Decision {
  const { verb, namespace } = question.attributes;
  if (!ownVerbs.has(verb)) return refused('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease')
    return refused(`can only access leases in the "kube-node-lease" system namespace`);
  return ifOfItsName(question, 'node lease');
}

function authorizeCsiNode(question: NodeQuestion): Decision {
  const { verb, subresource } = question.attributes;
  if (!ownVerbs.has(verb)) return refused('can only get, create, update, patch, or delete a CSINode');
  if (subresource) return refused('cannot authorize CSINode subresources');
  return ifOfItsName(question, 'CSINode');
}

const ownVerbs: ReadonlySet<string> = new Set(['get', 'create', 'update', 'patch', 'delete']);

/** On creation the name is not known yet: admission checks it. */
function ifOfItsName({ node, attributes: { verb, name } }: NodeQuestion, what: string): Decision {
  return verb === 'create' || name === node
    ? allowed
    : refused(`can only access ${what} with the same name as the requesting node`);
}

/** The node that a pod's token may be bound to. */
export function nodeOfPod(objects: ObjectReader, pod: Pod): { name: string; uid?: string } | undefined {
  const { nodeName } = pod.spec;
  if (!nodeName) return undefined;
  const uid = objects.get(Node, '', nodeName)?.metadata.uid;
  return { name: nodeName, ...(uid && { uid }) };
}
