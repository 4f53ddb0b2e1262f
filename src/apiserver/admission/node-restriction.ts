/** NodeRestriction: a node writes about itself and the pods that run on it, and about nothing else. */
import { CSINode, Lease, Node, Pod } from '../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../api/status.ts';
import { hostnameLabel, mirrorPodAnnotation, regionLabel, zoneLabel } from '../../api/well-known.ts';
import { nodeNameOf } from '../authorization/node-authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const restrictedDomain = 'node-restriction.kubernetes.io';
/** Labels of these domains a node may set on itself; the domains' other labels belong to administrators. */
const ownLabels = new Set([
  hostnameLabel,
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  regionLabel,
  zoneLabel,
]);
const ownLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  validate(attributes) {
    const { request } = attributes;
    const node = nodeNameOf(request.user);
    if (node === undefined) return;
    const { group, plural } = request.resource.definition.type;
    const resource = group ? `${group}/${plural}` : plural;
    if (resource === 'pods') checkPod(attributes, node);
    else if (resource === 'nodes') checkNode(attributes, node);
    else if (resource === 'coordination.k8s.io/leases') checkOwn(attributes, node, Lease, 'kube-node-lease');
    else if (resource === 'storage.k8s.io/csinodes') checkOwn(attributes, node, CSINode, '');
  },
};

function nameOf({ request, object }: AdmissionAttributes): string {
  return request.name || object?.metadata.name || '';
}

function checkPod(attributes: AdmissionAttributes, node: string): void {
  const { operation, request, object, old } = attributes;
  const name = nameOf(attributes);
  const refuse = (why: string): StatusError => forbidden(Pod, name, why);
  if (operation === 'CREATE') {
    const pod = object as Pod;
    if (pod.metadata.annotations?.[mirrorPodAnnotation] === undefined)
      throw refuse(
        `pod does not have ${JSON.stringify(mirrorPodAnnotation)} annotation, node ${JSON.stringify(node)} can only create mirror pods`,
      );
    if (pod.spec?.nodeName !== node)
      throw refuse(`node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`);
    if (pod.spec.serviceAccountName)
      throw refuse(`node ${JSON.stringify(node)} can not create pods that reference a service account`);
    return;
  }
  const present = (old ?? object) as Pod;
  if (operation === 'DELETE') {
    if (present.spec?.nodeName !== node)
      throw refuse(`node ${JSON.stringify(node)} can only delete pods with spec.nodeName set to itself`);
    return;
  }
  if (request.subresource !== 'status' && request.subresource !== 'resize')
    throw refuse(
      `unexpected operation ${JSON.stringify(operation)}, node ${JSON.stringify(node)} can only create and delete mirror pods`,
    );
  if (present.spec?.nodeName !== node)
    throw refuse(
      `node ${JSON.stringify(node)} can only update pod status for pods with spec.nodeName set to itself`,
    );
  if (JSON.stringify(present.metadata.labels ?? {}) !== JSON.stringify(object?.metadata.labels ?? {}))
    throw refuse(`node ${JSON.stringify(node)} cannot update labels through pod status`);
}

function checkNode(attributes: AdmissionAttributes, node: string): void {
  const { operation, object, old } = attributes;
  const name = nameOf(attributes);
  if (name !== node)
    throw forbidden(
      Node,
      name,
      `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`,
    );
  const [next, before] = [object as Node | undefined, old as Node | undefined];
  if (operation === 'CREATE' && next?.spec?.configSource)
    throw forbidden(Node, name, 'is not allowed to create pods with a non-nil configSource');
  if (
    operation === 'UPDATE' &&
    JSON.stringify(next?.spec?.taints ?? []) !== JSON.stringify(before?.spec?.taints ?? [])
  )
    throw forbidden(Node, name, `node ${JSON.stringify(node)} is not allowed to modify taints`);
  if (
    operation === 'UPDATE' &&
    JSON.stringify(next?.metadata.ownerReferences) !== JSON.stringify(before?.metadata.ownerReferences)
  )
    throw forbidden(Node, name, `node ${JSON.stringify(node)} is not allowed to modify ownerReferences`);
  if (operation === 'DELETE') return;
  const changed = changedLabels(next?.metadata.labels ?? {}, before?.metadata.labels ?? {}).filter(
    isRestricted,
  );
  if (changed.length > 0)
    throw forbidden(
      Node,
      name,
      `is not allowed to ${operation === 'CREATE' ? 'set' : 'modify'} the following labels: ${changed.join(', ')}`,
    );
}

function changedLabels(next: Record<string, string>, before: Record<string, string>): string[] {
  const keys = new Set([...Object.keys(next), ...Object.keys(before)]);
  return [...keys].filter((key) => next[key] !== before[key]).sort();
}

function isRestricted(label: string): boolean {
  const slash = label.indexOf('/');
  if (slash < 0) return false;
  const domain = label.slice(0, slash);
  if (domain === restrictedDomain || domain.endsWith(`.${restrictedDomain}`)) return true;
  const isKubernetes = ['kubernetes.io', 'k8s.io'].some(
    (suffix) => domain === suffix || domain.endsWith(`.${suffix}`),
  );
  if (!isKubernetes) return false;
  if (ownLabels.has(label)) return false;
  return !ownLabelDomains.some((own) => domain === own || domain.endsWith(`.${own}`));
}

function checkOwn(
  attributes: AdmissionAttributes,
  node: string,
  type: typeof Lease | typeof CSINode,
  namespace: string,
): void {
  const name = nameOf(attributes);
  if (namespace && attributes.request.namespace !== namespace)
    throw forbidden(
      type,
      name,
      `can only access leases in the ${JSON.stringify(namespace)} system namespace`,
    );
  if (name !== node)
    throw forbidden(
      type,
      name,
      `can only access ${type.kind.toLowerCase()} with the same name as the requesting node`,
    );
}
