/** What enables the ingress controller: its class, and the rights that the nodes' agents need for it. */
import type { Draft } from '../../api/meta.ts';
import { ClusterRole, ClusterRoleBinding, IngressClass } from '../../api/resources.gen.ts';
import { ignoreAlreadyExists, undefinedIfNotFound } from '../../api/status.ts';
import { defaultIngressClassAnnotation, nodeNetworkAccount } from '../../api/well-known.ts';
import type { Client } from '../../client/client.ts';
import { controllerName } from './ingress-class.ts';

/** In /var/log of the node that serves. */
export const accessLogName = 'wherry-ingress.log';

const className = 'nginx';
const roleName = 'wherry-ingress';

const ingressClass: Draft<IngressClass> = {
  metadata: {
    name: className,
    labels: { 'app.kubernetes.io/name': 'ingress-nginx' },
    annotations: { [defaultIngressClassAnnotation]: 'true' },
  },
  spec: { controller: controllerName },
};

const role: Draft<ClusterRole> = {
  metadata: { name: roleName },
  rules: [
    {
      apiGroups: ['networking.k8s.io'],
      resources: ['ingresses', 'ingressclasses'],
      verbs: ['get', 'list', 'watch'],
    },
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update', 'patch'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'] },
  ],
};

const subjects = [{ kind: 'ServiceAccount', ...nodeNetworkAccount }];

const binding: Draft<ClusterRoleBinding> = {
  metadata: { name: roleName },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
  subjects,
};

/** Where an older version enabled it, the rights are bound to the nodes: binds them to the controller's account. */
export async function keepIngressRights(client: Client): Promise<void> {
  const found = await client.get(ClusterRoleBinding, { name: roleName }).catch(undefinedIfNotFound);
  if (found && !found.subjects?.some(({ kind }) => kind === 'ServiceAccount'))
    await client.update(ClusterRoleBinding, { ...found, subjects });
}

export async function enableIngress(client: Client): Promise<void> {
  await client.create(ClusterRole, role).catch(ignoreAlreadyExists);
  await client.create(ClusterRoleBinding, binding).catch(ignoreAlreadyExists);
  // Last: the agents wait for it, and need the rights from then on.
  await client.create(IngressClass, ingressClass).catch(ignoreAlreadyExists);
}

/** Ingresses remain, but are not served. */
export async function disableIngress(client: Client): Promise<void> {
  await client.delete(IngressClass, { name: className }).catch(undefinedIfNotFound);
  await client.delete(ClusterRoleBinding, { name: roleName }).catch(undefinedIfNotFound);
  await client.delete(ClusterRole, { name: roleName }).catch(undefinedIfNotFound);
}
