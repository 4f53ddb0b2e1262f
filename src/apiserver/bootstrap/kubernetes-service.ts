/** The `kubernetes` service: the first address of the service range leads to the API servers. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { EndpointSlice, Endpoints, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { serviceNameLabel, skipMirrorLabel } from '../../api/well-known.ts';
import type { Timer } from '../../base/clock.ts';
import { ipv4FromNumber } from '../../base/text/ipv4.ts';
import { changeOwn, differs, ensureObject, ownWrite, resourceOf, storedDraft } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';
import { changeObject } from '../registry/verbs/update.ts';
import type { IpRange } from '../services/ip-range.ts';
import { type PublishedAddress, ServerLeases } from './server-leases.ts';

const name = 'kubernetes';
const namespace = 'default';
/** How soon the service is recreated when it was deleted, as `kubectl delete all --all` does. */
const reconcileMs = 10_000;

export async function ensureKubernetesService(registry: Registry, range: IpRange): Promise<void> {
  await ensureObject(registry, ServiceCIDR, {
    metadata: { name },
    spec: { cidrs: [range.cidr] },
    status: {},
  });
  await ensureDefaultRangeReady(registry, range);
  await ensureObject(registry, Service, {
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: ipv4FromNumber(range.base + 1),
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
    },
    status: {},
  });
}

/** Marks the server's own range as ready, as controllers may not be running; what they write is kept. */
async function ensureDefaultRangeReady(registry: Registry, range: IpRange): Promise<void> {
  const request = {
    ...ownWrite(registry, ServiceCIDR, '', name),
    subresource: 'status',
    fieldManager: 'kubernetes-service-cidr-controller',
  };
  const isOpen = ({ metadata, spec, status }: ServiceCIDR) =>
    !metadata.deletionTimestamp &&
    spec?.cidrs?.join() === range.cidr &&
    !status?.conditions?.some(({ type }) => type === 'Ready');
  const found = request.resource.cache?.get(name)?.object as ServiceCIDR | undefined;
  if (found && !isOpen(found)) return;
  await changeObject(registry, request, {
    next: (current) => {
      const next = current.copy() as ServiceCIDR;
      if (!isOpen(next)) return next;
      const condition = {
        type: 'Ready',
        status: 'True',
        reason: '',
        message: 'Kubernetes default Service CIDR is ready',
        lastTransitionTime: formatTime(registry.clock.now()),
      };
      delete (next.metadata as { resourceVersion?: string }).resourceVersion;
      next.status = { conditions: [...(next.status?.conditions ?? []), condition] };
      return next;
    },
  });
}

/**
 * Makes the service lead to these servers. A slice has one port for all its endpoints: servers that listen at another one
 * than the first are left out.
 */
async function publishServers(registry: Registry, servers: readonly PublishedAddress[]): Promise<void> {
  const [first] = servers;
  if (!first) return;
  const addresses = servers.filter(({ port }) => port === first.port).map(({ address }) => address);
  const ports = [{ name: 'https', port: first.port, protocol: 'TCP' as const }];
  await putObject(registry, Endpoints, {
    metadata: { name, namespace, labels: { [skipMirrorLabel]: 'true' } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports }],
  });
  await putObject(registry, EndpointSlice, {
    metadata: { name, namespace, labels: { [serviceNameLabel]: name } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports,
  });
}

export interface KubernetesService {
  /** Pods and nodes reach this server there from now on. */
  publish(own: PublishedAddress): Promise<void>;
  /** No longer: the service leads to the other servers alone. */
  close(): Promise<void>;
}

/**
 * Keeps the service, and the list of servers that it leads to, true until it is closed. `shared`: other servers write to
 * the same store; without them this server is the only one that the service leads to.
 */
export function keepKubernetesService(
  registry: Registry,
  range: IpRange,
  { shared }: { shared: boolean },
): KubernetesService {
  const leases = shared ? new ServerLeases(registry.store, registry.clock) : undefined;
  let own: PublishedAddress | undefined;
  let timer: Timer;
  let round: Promise<void> | undefined;
  const publishAlive = async (address: PublishedAddress) =>
    publishServers(registry, leases ? await leases.renew(address) : [address]);
  const trying = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      registry.logger.warn('the kubernetes service could not be written; the next round tries again', {
        error,
      });
    }
  };
  const reconcile = () =>
    trying(async () => {
      await ensureKubernetesService(registry, range);
      if (own) await publishAlive(own);
    });
  const arm = () => {
    timer = registry.clock.after(reconcileMs, () => {
      // Only one write at a time: a hanging write could otherwise restore what a close has removed.
      round ??= reconcile().finally(() => {
        round = undefined;
      });
      arm();
    });
  };
  arm();
  return {
    async publish(address) {
      own = address;
      await trying(() => publishAlive(address));
    },
    async close() {
      timer.cancel();
      await round;
      if (!own || !leases) return;
      try {
        await publishServers(registry, await leases.release(own));
      } catch (error) {
        registry.logger.warn('the others go on naming this server until they miss it', { error });
      }
    },
  };
}

async function putObject<T extends KubeObject>(
  registry: Registry,
  type: ResourceType<T>,
  draft: Draft<T>,
): Promise<void> {
  if (await ensureObject(registry, type, draft)) return;
  const { metadata: _, ...content } = storedDraft(registry, type, draft);
  const found = resourceOf(registry, type).cache?.get(`${namespace}/${name}`)?.object;
  if (found && !differs(found, { ...found, ...content })) return;
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
