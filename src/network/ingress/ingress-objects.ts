/** What switches the ingress controller on: its class, and the rights that the nodes' agents need for it. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { ClusterRole, ClusterRoleBinding, IngressClass } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { controllerName } from './routing.ts';

/** In /var/log of the node that serves. */
export const accessLogName = 'wherry-ingress.log';

const className = 'nginx';
const roleName = 'wherry-ingress';

const ingressClass: Draft<IngressClass> = {
  metadata: {
    name: className,
    labels: { 'app.kubernetes.io/name': 'ingress-nginx' },
    annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' },
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

/** `group`: the one that the nodes' agents are in. */
export async function enableIngress(client: Client, group: string): Promise<void> {
  const binding: Draft<ClusterRoleBinding> = {
    metadata: { name: roleName },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
  };
  await create(client, ClusterRole, role);
  await create(client, ClusterRoleBinding, binding);
  // Last: it is what the agents wait for, and then they need the rights.
  await create(client, IngressClass, ingressClass);
}

/** Ingresses stay, unserved. */
export async function disableIngress(client: Client): Promise<void> {
  await remove(client, IngressClass, className);
  await remove(client, ClusterRoleBinding, roleName);
  await remove(client, ClusterRole, roleName);
}

async function create<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  object: Draft<T>,
): Promise<void> {
  try {
    await client.create(type, object);
  } catch (error) {
    if (!(error instanceof StatusError && error.status.reason === 'AlreadyExists')) throw error;
  }
}

async function remove(client: Client, type: ResourceType, name: string): Promise<void> {
  try {
    await client.delete(type, { name });
  } catch (error) {
    if (!(error instanceof StatusError && error.status.reason === 'NotFound')) throw error;
  }
}
