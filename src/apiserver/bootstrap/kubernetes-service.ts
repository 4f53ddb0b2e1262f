/** The `kubernetes` service: the first address of the service range leads to the API servers. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { EndpointSlice, Endpoints, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import type { Timer } from '../../base/clock.ts';
import { changeOwn, ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';
import { formatIp, type IpRange } from '../services/ip-range.ts';

const name = 'kubernetes';
const namespace = 'default';
/** How soon the service is back when somebody has deleted it, as `kubectl delete all --all` does. */
const reconcileMs = 10_000;

/** Where pods reach a server. */
export interface PublishedAddress {
  address: string;
  port: number;
}

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
export async function publishServer(registry: Registry, { address, port }: PublishedAddress): Promise<void> {
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

/** Makes the service anew whenever it is missing, until the timer is cancelled. */
export function keepKubernetesService(
  registry: Registry,
  range: IpRange,
  published: () => PublishedAddress | undefined,
): Timer {
  let timer: Timer;
  const reconcile = async () => {
    try {
      await ensureKubernetesService(registry, range);
      const address = published();
      if (address) await publishServer(registry, address);
    } catch (error) {
      registry.logger.warn('the kubernetes service could not be written; the next round tries again', {
        error,
      });
    }
  };
  const arm = () => {
    timer = registry.clock.after(reconcileMs, () => {
      void reconcile();
      arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
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
