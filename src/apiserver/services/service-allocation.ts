/**
 * Addresses and node ports of services. What is taken is known from the services themselves; a request under way holds
 * its choices until its outcome is known.
 */

import { unallocatable } from '../../api/core/service/addresses.ts';
import type { KubeObject } from '../../api/meta.ts';
import { Service } from '../../api/resources.gen.ts';
import { internalError, invalid, type StatusError } from '../../api/status.ts';
import { invalidValue } from '../../api/validation/field-error.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { ipv4FromNumber, parseIPv4 } from '../../base/text/ipv4.ts';
import type { Allocation, Allocator } from '../registry/allocations.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import { AddressPool } from './address-pool.ts';
import type { IpRange } from './ip-range.ts';
import { NumberAllocator } from './number-allocator.ts';
import type { ServiceClaims, ServiceName } from './service-claims.ts';

type Spec = NonNullable<Service['spec']>;

/** What a service holds; addresses as numbers. */
interface Holding {
  addresses: number[];
  ports: number[];
}

/** The ports of a service that is being written. */
interface PortBalance {
  /** It has them already. */
  held: Holding;
  /** To be given back if it is not stored. */
  taken: Holding;
  /** Seen so far: one may stand there twice. */
  own: Set<number>;
}

export interface PortRange {
  first: number;
  last: number;
}

export interface ServiceAllocationOptions {
  range: IpRange;
  nodePorts: PortRange;
  random: Random;
  services: ResourceCache;
  serviceCidrs: ResourceCache;
  logger: Logger;
}

/** How often another number is tried when other servers were faster. */
const claimAttemptsMax = 20;

export class ServiceAllocation implements Allocator {
  readonly #ports: PortRange;
  readonly #addresses: AddressPool;
  readonly #nodePorts: NumberAllocator;
  readonly #services: ResourceCache;
  readonly #logger: Logger;
  /** Set once the registry exists, before anything is allocated. */
  claims: ServiceClaims | undefined;

  constructor(options: ServiceAllocationOptions) {
    const { nodePorts, random, services, logger } = options;
    this.#ports = nodePorts;
    this.#services = services;
    this.#logger = logger;
    this.#addresses = new AddressPool(options);
    const portCount = nodePorts.last - nodePorts.first + 1;
    this.#nodePorts = new NumberAllocator({
      first: nodePorts.first,
      size: portCount,
      random,
      reserved: reservedPorts(portCount),
    });
    for (const service of services.values()) this.#take(holdingOf(service));
    services.listen((events) => {
      for (const { type, object, previous } of events)
        this.#follow(type === 'delete' ? undefined : object, previous);
    });
  }

  /** Brings the claims in line with the services that are there. */
  async repair(): Promise<void> {
    await this.claims?.repair(
      [...this.#services.values()].map((service) => {
        const { addresses, ports } = holdingOf(service);
        return { service: nameOf(service.object), addresses: addresses.map(ipv4FromNumber), ports };
      }),
    );
  }

  /**
   * Gives the service what its type needs and what it does not have yet. Changes `object`.
   * @throws StatusError Invalid when the client's choice is malformed, taken or out of range
   */
  allocate(object: KubeObject, old: KubeObject | undefined): Allocation {
    const service = object as Service;
    const spec = service.spec;
    const wrong = unallocatable(service);
    if (wrong.length > 0) throw invalid(Service, service.metadata.name, wrong);
    const taken: Holding = { addresses: [], ports: [] };
    const held = old ? holdingOfSpec((old as Service).spec ?? {}) : { addresses: [], ports: [] };
    const asked = spec ? holdingOfSpec(spec) : { addresses: [], ports: [] };
    try {
      if (spec) {
        this.#allocateAddress(service, spec, held, taken);
        this.#allocatePorts(service, spec, held, taken);
      }
    } catch (error) {
      this.#release(taken);
      throw error;
    }
    return {
      claim: () => this.#claim(service, asked, taken),
      // Once stored, it is held by the service itself, and released with it.
      finish: async (outcome) => {
        if (outcome === 'stored') return;
        this.#release(taken);
        await this.#releaseClaims(nameOf(service), taken);
      },
    };
  }

  async #claim(service: Service, asked: Holding, taken: Holding): Promise<void> {
    const { claims } = this;
    const spec = service.spec;
    if (!claims || !spec) return;
    const name = nameOf(service);
    await claimEach(taken.addresses, {
      claim: (number) => claims.claimAddress(ipv4FromNumber(number), name),
      another: (number) => (asked.addresses.includes(number) ? undefined : this.#addresses.takeAny()),
      replaced(_, next) {
        spec.clusterIP = ipv4FromNumber(next);
        spec.clusterIPs = [spec.clusterIP];
      },
      refused(number) {
        const why = `failed to allocate IP ${ipv4FromNumber(number)}: provided IP is already allocated`;
        return refusal(service, 'spec.clusterIPs', spec.clusterIPs ?? [], why);
      },
    });
    await claimEach(taken.ports, {
      claim: (number) => claims.claimPort(number, name),
      another: (number) => (asked.ports.includes(number) ? undefined : this.#nodePorts.takeAny()),
      replaced(number, next) {
        for (const port of spec.ports ?? []) if (port.nodePort === number) port.nodePort = next;
        if (spec.healthCheckNodePort === number) spec.healthCheckNodePort = next;
      },
      refused: (number) =>
        refusal(service, 'spec.ports[0].nodePort', number, 'provided port is already allocated'),
    });
  }

  async #releaseClaims(service: ServiceName, { addresses, ports }: Holding): Promise<void> {
    for (const value of addresses) await this.claims?.releaseAddress(ipv4FromNumber(value), service);
    for (const value of ports) await this.claims?.releasePort(value, service);
  }

  #allocateAddress(service: Service, spec: Spec, held: Holding, taken: Holding): void {
    if (spec.type === 'ExternalName' || spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None') return;
    const wanted = spec.clusterIP || spec.clusterIPs?.[0];
    if (wanted) {
      this.#takeAddress(service, spec, wanted, { held, taken });
      return;
    }
    const value = this.#addresses.takeAny();
    if (value === undefined) throw internalError('failed to allocate a serviceIP: range is full');
    taken.addresses.push(value);
    spec.clusterIP = ipv4FromNumber(value);
    spec.clusterIPs = [spec.clusterIP];
  }

  /** The one that the client chose, unless the service has it. @throws StatusError Invalid */
  #takeAddress(
    service: Service,
    spec: Spec,
    address: string,
    { held, taken }: Pick<PortBalance, 'held' | 'taken'>,
  ): void {
    const value = parseIPv4(address);
    // Validation reports what is no address.
    if (value === undefined || held.addresses.includes(value)) return;
    const refuse = (why: string) =>
      refusal(
        service,
        'spec.clusterIPs',
        spec.clusterIPs ?? [address],
        `failed to allocate IP ${address}: ${why}`,
      );
    if (!this.#addresses.covers(value)) throw refuse('the provided network does not match the current range');
    if (!this.#addresses.take(value)) throw refuse('provided IP is already allocated');
    taken.addresses.push(value);
    spec.clusterIP = address;
    spec.clusterIPs ??= [address];
  }

  #allocatePorts(service: Service, spec: Spec, held: Holding, taken: Holding): void {
    const isExternal = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
    const allocates = spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false;
    const ports = { held, taken, own: new Set<number>() };
    for (const [index, port] of (isExternal ? (spec.ports ?? []) : []).entries()) {
      if (!port.nodePort) continue;
      this.#takePort(service, { field: `spec.ports[${index}].nodePort`, value: port.nodePort }, ports);
    }
    if (isExternal && allocates)
      for (const port of spec.ports ?? []) {
        if (port.nodePort) continue;
        // The same port over another protocol may share its number.
        const sibling = spec.ports?.find(
          (other) => other.port === port.port && other.nodePort && other.protocol !== port.protocol,
        );
        port.nodePort = sibling?.nodePort ?? this.#anyPort(taken);
      }
    if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return;
    if (spec.healthCheckNodePort)
      this.#takePort(service, { field: 'spec.healthCheckNodePort', value: spec.healthCheckNodePort }, ports);
    else spec.healthCheckNodePort = this.#anyPort(taken);
  }

  #takePort(
    service: Service,
    { field, value }: { field: string; value: number },
    { held, taken, own }: PortBalance,
  ): void {
    if (held.ports.includes(value) || own.has(value)) return;
    own.add(value);
    const refuse = (why: string) => refusal(service, field, value, why);
    if (!this.#nodePorts.includes(value))
      throw refuse(
        `provided port is not in the valid range. The range of valid ports is ${this.#ports.first}-${this.#ports.last}`,
      );
    if (!this.#nodePorts.take(value)) throw refuse('provided port is already allocated');
    taken.ports.push(value);
  }

  #anyPort(taken: Holding): number {
    const value = this.#nodePorts.takeAny();
    if (value === undefined) throw internalError('failed to allocate a nodePort: range is full');
    taken.ports.push(value);
    return value;
  }

  #take({ addresses, ports }: Holding): void {
    for (const value of addresses) this.#addresses.take(value);
    for (const value of ports) this.#nodePorts.take(value);
  }

  #release({ addresses, ports }: Holding): void {
    for (const value of addresses) this.#addresses.release(value);
    for (const value of ports) this.#nodePorts.release(value);
  }

  /** Keeps up with the services: also those that other servers write. */
  #follow(now: CachedObject | undefined, before: CachedObject | undefined): void {
    const next = now ? holdingOf(now) : { addresses: [], ports: [] };
    const last = before ? holdingOf(before) : { addresses: [], ports: [] };
    const freed = {
      addresses: last.addresses.filter((value) => !next.addresses.includes(value)),
      ports: last.ports.filter((value) => !next.ports.includes(value)),
    };
    this.#release(freed);
    this.#take(next);
    if (!before || (freed.addresses.length === 0 && freed.ports.length === 0)) return;
    this.#releaseClaims(nameOf(before.object), freed).catch((error) =>
      this.#logger.warn('what a service held could not be given back; the next start repairs it', { error }),
    );
  }
}

/** How the numbers of one kind are claimed. */
interface Claiming {
  /** False: another server has it. */
  claim(number: number): Promise<boolean>;
  /** To be tried instead; undefined for one that the client chose, and when none is left. */
  another(number: number): number | undefined;
  replaced(number: number, next: number): void;
  refused(number: number): StatusError;
}

/** Replaces those of `numbers` for which another server was faster. @throws StatusError */
async function claimEach(numbers: number[], { claim, another, replaced, refused }: Claiming): Promise<void> {
  for (let index = 0; index < numbers.length; index++)
    for (let attempt = 0; !(await claim(numbers[index]!)); attempt++) {
      const number = numbers[index]!;
      const next = attempt < claimAttemptsMax ? another(number) : undefined;
      if (next === undefined) throw refused(number);
      replaced(number, next);
      numbers[index] = next;
    }
}

/** Ports that only a client's own choice gets, as long as there are others: upstream's part of the range. */
function reservedPorts(count: number): number {
  const [min, max, step] = [16, 128, 32];
  return count <= min ? 0 : Math.min(max, Math.max(min, Math.floor(count / step)));
}

function nameOf({ metadata }: KubeObject): ServiceName {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}

function refusal(service: Service, field: string, value: unknown, why: string): StatusError {
  return invalid(Service, service.metadata.name, [invalidValue(field, value, why)]);
}

function holdingOf(service: CachedObject): Holding {
  const { spec } = service.object as Service;
  return spec ? holdingOfSpec(spec) : { addresses: [], ports: [] };
}

function holdingOfSpec(spec: Spec): Holding {
  const texts = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  const ports = (spec.ports ?? []).map(({ nodePort }) => nodePort);
  return {
    addresses: texts.map(parseIPv4).filter((value) => value !== undefined),
    ports: [...ports, spec.healthCheckNodePort].filter((port): port is number => !!port),
  };
}
