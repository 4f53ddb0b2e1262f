/** The objects by which users see and configure cluster DNS: the Service `kube-dns` and the ConfigMap `coredns`. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { ConfigMap, Endpoints, Service } from '../../api/resources.gen.ts';
import { ignoreAlreadyExists, undefinedIfNotFound } from '../../api/status.ts';
import type { Client, ObjectName } from '../../client/client.ts';

export const dnsNamespace = 'kube-system';
export const dnsConfigMapName = 'coredns';

/** As created by kubeadm. */
export function defaultCorefile(clusterDomain: string): string {
  return `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
`;
}

export function dnsService(address: string): Draft<Service> {
  return {
    metadata: {
      name: 'kube-dns',
      namespace: dnsNamespace,
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'CoreDNS',
      },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      clusterIP: address,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  };
}

/**
 * The service address itself: every node answers there for its own pods. It is listed for tools that look for
 * endpoints.
 */
function dnsEndpoints(address: string): Draft<Endpoints> {
  const { ports = [] } = dnsService(address).spec ?? {};
  return {
    metadata: { name: 'kube-dns', namespace: dnsNamespace, labels: { 'k8s-app': 'kube-dns' } },
    subsets: [
      {
        addresses: [{ ip: address }],
        ports: ports.map(({ name, port, protocol }) => ({ name: name!, port, protocol: protocol! })),
      },
    ],
  };
}

/** Creates what is missing and leaves existing objects alone: users may have changed them. */
export async function ensureDnsObjects(
  client: Client,
  options: { address: string; clusterDomain: string },
): Promise<void> {
  const configMap: Draft<ConfigMap> = {
    metadata: { name: dnsConfigMapName, namespace: dnsNamespace },
    data: { Corefile: defaultCorefile(options.clusterDomain) },
  };
  const at = { namespace: dnsNamespace };
  await createUnlessPresent(client, ConfigMap, configMap, { ...at, name: dnsConfigMapName });
  await createUnlessPresent(client, Service, dnsService(options.address), { ...at, name: 'kube-dns' });
  await createUnlessPresent(client, Endpoints, dnsEndpoints(options.address), { ...at, name: 'kube-dns' });
}

/**
 * Checks first: the server may refuse a second service with the same address before it notices that the name is taken.
 */
async function createUnlessPresent<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  object: Draft<T>,
  at: ObjectName,
): Promise<void> {
  const present = await client.get(type, at).catch(undefinedIfNotFound);
  if (!present) await client.create(type, object).catch(ignoreAlreadyExists);
}
