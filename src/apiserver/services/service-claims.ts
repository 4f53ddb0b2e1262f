/**
 * What services hold, recorded where every API server of the cluster sees it: an IPAddress per address, a key per node
 * port. The store lets only one of each be created, which decides between servers that chose the same one.
 */
import { managedByLabel, serviceAllocator } from '../../api/networking/ip-address.ts';
import { IPAddress, Service } from '../../api/resources.gen.ts';
import type { ObjectReader } from '../object-reader.ts';
import { deleteOwn, ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';
import { registryPrefix } from '../watch-cache/store-view.ts';

export interface ServiceName {
  namespace: string;
  name: string;
}

const portPrefix = `${registryPrefix}ranges/servicenodeports/`;
/** A claim without its service is left alone for this long: the service may be about to be written. */
const orphanAgeMs = 60_000;

export class ServiceClaims {
  readonly #registry: Registry;
  readonly #objects: ObjectReader;

  constructor(registry: Registry, objects: ObjectReader) {
    this.#registry = registry;
    this.#objects = objects;
  }

  /** Returns false when another service has the address. */
  async claimAddress(address: string, service: ServiceName): Promise<boolean> {
    const made = await ensureObject(this.#registry, IPAddress, {
      metadata: {
        name: address,
        labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', [managedByLabel]: serviceAllocator },
      },
      spec: { parentRef: { group: '', resource: 'services', ...service } },
    });
    return made || this.#isHeldBy(address, service);
  }

  async releaseAddress(address: string, service: ServiceName): Promise<void> {
    if (!this.#isHeldBy(address, service)) return;
    await deleteOwn(this.#registry, IPAddress, address);
  }

  /** Returns false when another service has the port. */
  async claimPort(port: number, service: ServiceName): Promise<boolean> {
    const { store, clock } = this.#registry;
    const value = Buffer.from(JSON.stringify({ ...service, claimedMs: clock.now() }));
    const result = await store.create(portPrefix + port, value);
    if (result.ok) return true;
    return result.current !== undefined && isOwner(result.current.value, service);
  }

  async releasePort(port: number, service: ServiceName): Promise<void> {
    const { store } = this.#registry;
    const { entry } = await store.get(portPrefix + port);
    if (entry && isOwner(entry.value, service)) await store.delete(entry.key, entry.modRevision);
  }

  /** Claims what services hold without a claim, and releases claims whose service is gone: after a crash in between. */
  async repair(
    held: Iterable<{ service: ServiceName; addresses: readonly string[]; ports: readonly number[] }>,
  ): Promise<void> {
    const nowMs = this.#registry.clock.now();
    for (const { service, addresses, ports } of held) {
      for (const address of addresses) await this.claimAddress(address, service);
      for (const port of ports) await this.claimPort(port, service);
    }
    for (const claim of [...this.#objects.list(IPAddress)]) {
      const { labels, creationTimestamp, name } = claim.metadata;
      const { namespace = '', name: serviceName = '' } = claim.spec?.parentRef ?? {};
      if (
        labels?.[managedByLabel] !== serviceAllocator ||
        nowMs - Date.parse(creationTimestamp) < orphanAgeMs
      )
        continue;
      const service = this.#objects.get(Service, namespace, serviceName);
      if (!service?.spec?.clusterIPs?.includes(name))
        await this.releaseAddress(name, { namespace, name: serviceName });
    }
    const { entries } = await this.#registry.store.list(portPrefix);
    for (const { key, value } of entries) {
      const claim = JSON.parse(Buffer.from(value).toString()) as ServiceName & { claimedMs: number };
      if (nowMs - claim.claimedMs < orphanAgeMs) continue;
      const port = Number(key.slice(portPrefix.length));
      const spec = this.#objects.get(Service, claim.namespace, claim.name)?.spec;
      const isHeld =
        spec?.healthCheckNodePort === port || spec?.ports?.some(({ nodePort }) => nodePort === port);
      if (!isHeld) await this.releasePort(port, claim);
    }
  }

  #isHeldBy(address: string, { namespace, name }: ServiceName): boolean {
    const parent = this.#objects.get(IPAddress, '', address)?.spec?.parentRef;
    return parent?.namespace === namespace && parent.name === name;
  }
}

function isOwner(value: Uint8Array, { namespace, name }: ServiceName): boolean {
  const claim = JSON.parse(Buffer.from(value).toString()) as ServiceName;
  return claim.namespace === namespace && claim.name === name;
}
