/** The `kubernetes` service: the first address of the service range leads to the API servers. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { EndpointSlice, Endpoints, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import { changeOwn, ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';
import { formatIp, type IpRange } from '../services/ip-range.ts';

const name = 'kubernetes';
const namespace = 'default';

export async function ensureKubernetesService(registry: Registry, range: IpRange): Promise<void> {
  await ensureObject(registry, ServiceCIDR, {
    metadata: { name },
    spec: { cidrs: [range.cidr] },
    status: {},
  });
  await ensureObject(registry, Service, {
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: formatIp(range.base + 1),
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
    },
    status: {},
  });
}

/** Makes the service lead to this server. */
export async function publishServer(
  registry: Registry,
  { address, port }: { address: string; port: number },
): Promise<void> {
  const ports = [{ name: 'https', port, protocol: 'TCP' as const }];
  await putObject(registry, Endpoints, {
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports }],
  });
  await putObject(registry, EndpointSlice, {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports,
  });
}

async function putObject<T extends KubeObject>(
  registry: Registry,
  type: ResourceType<T>,
  draft: Draft<T>,
): Promise<void> {
  if (await ensureObject(registry, type, draft)) return;
  const { metadata: _, ...content } = draft;
  await changeOwn(
    registry,
    type,
    { namespace, name },
    {
      next: (current) => {
        const next = { ...current.copy(), ...content };
        delete (next.metadata as { resourceVersion?: string }).resourceVersion;
        return next as KubeObject;
      },
    },
  );
}
