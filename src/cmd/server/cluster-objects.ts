/** Objects that every cluster of Wherry has besides those of upstream: how machines join, and cluster DNS. */
import type { Draft } from '../../api/meta.ts';
import { ClusterRoleBinding, Secret } from '../../api/resources.gen.ts';
import { ignoreAlreadyExists } from '../../api/status.ts';
import { bootstrapTokenType, nodesGroup } from '../../api/well-known.ts';
import type { Client } from '../../client/client.ts';
import { ensureDnsObjects } from '../../network/dns/dns-objects.ts';
import { keepIngressRights } from '../../network/ingress/ingress-objects.ts';

const rbac = 'rbac.authorization.k8s.io';

/** Machines that join with a token may ask for a node's certificate, and nodes for the next one; named as kubeadm's. */
const joinBindings = (
  [
    ['kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', 'system:bootstrappers'],
    [
      'kubeadm:node-autoapprove-bootstrap',
      'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      'system:bootstrappers',
    ],
    [
      'kubeadm:node-autoapprove-certificate-rotation',
      'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
      nodesGroup,
    ],
  ] as const
).map(
  ([name, role, group]): Draft<ClusterRoleBinding> => ({
    metadata: { name },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: rbac, kind: 'Group', name: group }],
  }),
);

export async function ensureClusterObjects(
  client: Client,
  dns: { address: string; clusterDomain: string },
): Promise<void> {
  await ensureDnsObjects(client, dns);
  await keepIngressRights(client);
  for (const binding of joinBindings)
    await client.create(ClusterRoleBinding, binding).catch(ignoreAlreadyExists);
}

/** The token by which machines join; `id.secret` as kubeadm's are. */
export async function ensureJoinToken(client: Client, token: string): Promise<void> {
  const [id = '', secret = ''] = token.split('.');
  await client
    .create(Secret, {
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      type: bootstrapTokenType,
      stringData: { 'token-id': id, 'token-secret': secret, 'usage-bootstrap-authentication': 'true' },
    })
    .catch(ignoreAlreadyExists);
}
