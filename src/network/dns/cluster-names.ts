/**
 * Resolves a cluster name: services, headless endpoints, pods by address, and reverse lookups. Pure, over a view of the
 * API's objects; the rules are those of CoreDNS' kubernetes plugin.
 */
import type { EndpointSlice, Service } from '../../api/resources.gen.ts';
import { serviceNameLabel } from '../../api/well-known.ts';
import { ResponseCode } from './message/message.ts';
import { RecordType, type ResourceRecord } from './message/resource-record.ts';

/** What answers are made from. */
export interface ClusterView {
  hasNamespace(name: string): boolean;
  service(key: string): Service | undefined;
  slicesOf(serviceKey: string): readonly EndpointSlice[];
  servicesByClusterAddress(address: string): Iterable<Service>;
  /** Slices with an endpoint of this address that has a hostname. */
  slicesByNamedAddress(address: string): Iterable<EndpointSlice>;
}

export interface ClusterZone {
  /** e.g. `cluster.local`. */
  domain: string;
  ttlSeconds: number;
  pods: 'disabled' | 'insecure';
}

export interface ClusterAnswer {
  code: number;
  answers: ResourceRecord[];
  additionals: ResourceRecord[];
  /** The answer ends in a name outside the cluster: the caller resolves it and appends the result. */
  follow?: string;
}

/** One answer to a name: an address, with the name that SRV records point to. */
interface Target {
  address: string;
  port: number | undefined;
  name: string;
}

type Lookup = 'none' | 'nothing of that type' | { alias: string } | { targets: Target[] };

/** Of the specification of DNS-based service discovery that the answers follow; clients find it as `dns-version`. */
const specificationVersion = '1.1.0';

/** `name`: lower case, within the zone, without the trailing dot. */
export function answerClusterName(
  name: string,
  type: number,
  zone: ClusterZone,
  view: ClusterView,
): ClusterAnswer {
  const base = name === zone.domain ? '' : name.slice(0, -zone.domain.length - 1);
  if (base === '') return answerApex(type, zone, view);
  if (base === 'dns-version') {
    const text = { name, type: RecordType.TXT, ttlSeconds: zone.ttlSeconds, text: specificationVersion };
    return found(type === RecordType.TXT ? [text] : []);
  }
  if (base === 'ns.dns') return answerNameServer(name, type, zone, view);
  const lookup = lookUp(base.split('.'), zone, view);
  if (lookup === 'none') return { code: ResponseCode.noSuchName, answers: [], additionals: [] };
  if (lookup === 'nothing of that type') return found([]);
  if ('alias' in lookup) return answerAlias(name, type, lookup.alias, zone);
  if (type === RecordType.A || type === RecordType.AAAA)
    return found(addressRecords(name, type, lookup.targets, zone.ttlSeconds));
  if (type === RecordType.SRV) return answerService(name, lookup.targets, zone.ttlSeconds);
  return found([]);
}

/** The name for the likes of `1.0.96.10.in-addr.arpa`; undefined when no cluster address has that name. */
export function answerReverse(
  name: string,
  type: number,
  zone: ClusterZone,
  view: ClusterView,
): ClusterAnswer | undefined {
  const address = reverseAddress(name);
  if (!address) return undefined;
  const names = namesOfAddress(address, zone.domain, view);
  if (names.length === 0) return undefined;
  if (type !== RecordType.PTR) return found([]);
  return found(names.map((target) => ({ name, type: RecordType.PTR, ttlSeconds: zone.ttlSeconds, target })));
}

/** The zone's start of authority, for negative answers. */
export function authorityOf(zone: ClusterZone, serial: number): ResourceRecord {
  return {
    name: zone.domain,
    type: RecordType.SOA,
    ttlSeconds: zone.ttlSeconds,
    primary: `ns.dns.${zone.domain}`,
    mailbox: `hostmaster.${zone.domain}`,
    serial,
    minimumSeconds: zone.ttlSeconds,
  };
}

/** Its name server is the Service through which users reach it, when there is one. */
function answerApex(type: number, zone: ClusterZone, view: ClusterView): ClusterAnswer {
  if (type !== RecordType.NS) return found([]);
  const { domain, ttlSeconds } = zone;
  const service = view.service('kube-system/kube-dns');
  const target = service ? `kube-dns.kube-system.svc.${domain}` : `ns.dns.${domain}`;
  const answers = [{ name: domain, type: RecordType.NS, ttlSeconds, target } as const];
  const addresses = service ? clusterAddresses(service) : [];
  return { ...found(answers), additionals: addresses.map((each) => addressRecord(target, each, ttlSeconds)) };
}

/** Answers for the name server that the start of authority names. */
function answerNameServer(name: string, type: number, zone: ClusterZone, view: ClusterView): ClusterAnswer {
  const service = view.service('kube-system/kube-dns');
  const records = (service ? clusterAddresses(service) : []).map((each) =>
    addressRecord(name, each, zone.ttlSeconds),
  );
  return found(records.filter((record) => record.type === type));
}

/**
 * `labels`: those before the zone: `[endpoint | _port, _protocol] service namespace svc`, or `address namespace pod`.
 */
function lookUp(labels: readonly string[], zone: ClusterZone, view: ClusterView): Lookup {
  const kind = labels.at(-1);
  if (kind !== 'svc' && kind !== 'pod') return 'none';
  const namespace = labels.at(-2);
  if (namespace === undefined) return 'nothing of that type';
  if (!view.hasNamespace(namespace)) return 'none';
  const name = labels.at(-3);
  if (name === undefined) return 'nothing of that type';
  const before = labels.slice(0, -3);
  if (before.length > 2) return 'none';
  return kind === 'pod' ? lookUpPod(name, zone) : lookUpService({ namespace, name, before }, zone, view);
}

function lookUpPod(name: string, zone: ClusterZone): Lookup {
  if (zone.pods === 'disabled' || !/^\d{1,3}(-\d{1,3}){3}$/.test(name)) return 'none';
  const address = name.replaceAll('-', '.');
  if (address.split('.').some((byte) => Number(byte) > 255)) return 'none';
  return { targets: [{ address, port: undefined, name }] };
}

/** `before`: the labels before the service's name: an endpoint, or a port and its protocol. */
function lookUpService(
  { namespace, name, before }: { namespace: string; name: string; before: readonly string[] },
  zone: ClusterZone,
  view: ClusterView,
): Lookup {
  const service = view.service(`${namespace}/${name}`);
  if (!service?.spec) return 'none';
  const [endpoint, port, protocol] =
    before.length === 1
      ? [before[0], undefined, undefined]
      : [undefined, withoutUnderscore(before[0]), withoutUnderscore(before[1])];
  if (service.spec.type === 'ExternalName') {
    return before.length === 0 && service.spec.externalName ? { alias: service.spec.externalName } : 'none';
  }
  const isAsked = (candidate: { name?: string; protocol?: string }) =>
    (port === undefined || port === (candidate.name ?? '').toLowerCase()) &&
    (protocol === undefined || protocol === (candidate.protocol ?? 'TCP').toLowerCase());
  const serviceName = `${name}.${namespace}.svc.${zone.domain}`;
  const targets =
    service.spec.clusterIP === 'None' || endpoint !== undefined
      ? endpointTargets(view.slicesOf(`${namespace}/${name}`), endpoint, isAsked, serviceName)
      : (service.spec.ports ?? [])
          .filter(isAsked)
          .flatMap((each) =>
            clusterAddresses(service).map((address) => ({ address, port: each.port, name: serviceName })),
          );
  return targets.length > 0 ? { targets } : 'none';
}

function endpointTargets(
  slices: readonly EndpointSlice[],
  asked: string | undefined,
  isAsked: (port: { name?: string; protocol?: string }) => boolean,
  serviceName: string,
): Target[] {
  return slices.flatMap((slice) =>
    (slice.endpoints ?? []).flatMap((endpoint) => {
      const address = endpoint.addresses[0];
      if (!address || endpoint.conditions?.ready === false || slice.addressType === 'FQDN') return [];
      const hostname = endpoint.hostname ?? address.replaceAll(/[.:]/g, '-');
      if (asked !== undefined && asked !== hostname) return [];
      const name = `${hostname}.${serviceName}`;
      // Without ports (a headless service may have none) an endpoint still has addresses, but no SRV record.
      if (!slice.ports?.length) return isAsked({}) ? [{ address, port: undefined, name }] : [];
      return slice.ports.filter(isAsked).map(({ port }) => ({ address, port, name }));
    }),
  );
}

function answerAlias(name: string, type: number, alias: string, zone: ClusterZone): ClusterAnswer {
  const target = alias.replace(/\.$/, '');
  const record = { name, type: RecordType.CNAME, ttlSeconds: zone.ttlSeconds, target } as const;
  const follows = type === RecordType.A || type === RecordType.AAAA;
  if (!follows && type !== RecordType.CNAME) return found([]);
  return { ...found([record]), ...(follows ? { follow: target } : {}) };
}

function addressRecords(
  name: string,
  type: typeof RecordType.A | typeof RecordType.AAAA,
  targets: readonly Target[],
  ttlSeconds: number,
): ResourceRecord[] {
  const isOfType = (address: string) => address.includes(':') === (type === RecordType.AAAA);
  const addresses = new Set(targets.map(({ address }) => address).filter(isOfType));
  return [...addresses].map((address) => ({ name, type, ttlSeconds, address }));
}

function addressRecord(name: string, address: string, ttlSeconds: number): ResourceRecord {
  return { name, type: address.includes(':') ? RecordType.AAAA : RecordType.A, ttlSeconds, address };
}

/** Equal shares of a weight of 100; the address of each target is added. */
function answerService(name: string, targets: readonly Target[], ttlSeconds: number): ClusterAnswer {
  const weight = Math.max(1, Math.floor(100 / targets.length));
  const answers = new Map<string, ResourceRecord>();
  const additionals = new Map<string, ResourceRecord>();
  for (const { address, port, name: target } of targets) {
    if (port === undefined) continue;
    answers.set(`${target}:${port}`, {
      name,
      type: RecordType.SRV,
      ttlSeconds,
      priority: 0,
      weight,
      port,
      target,
    });
    additionals.set(`${target} ${address}`, addressRecord(target, address, ttlSeconds));
  }
  return { ...found([...answers.values()]), additionals: [...additionals.values()] };
}

/** A service's own name; otherwise the names of endpoints that have a hostname. */
function namesOfAddress(address: string, domain: string, view: ClusterView): string[] {
  for (const { metadata } of view.servicesByClusterAddress(address)) {
    return [`${metadata.name}.${metadata.namespace}.svc.${domain}`];
  }
  return [...view.slicesByNamedAddress(address)].flatMap((slice) => {
    const service = slice.metadata.labels?.[serviceNameLabel];
    return (slice.endpoints ?? [])
      .filter(({ addresses, hostname }) => hostname && addresses.includes(address))
      .map(({ hostname }) => `${hostname}.${service}.${slice.metadata.namespace}.svc.${domain}`);
  });
}

/** IPv4 and IPv6; undefined for names that are not a complete address. */
function reverseAddress(name: string): string | undefined {
  const ipv4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name);
  if (ipv4) return ipv4.slice(1).reverse().join('.');
  const ipv6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!ipv6) return undefined;
  const digits = ipv6[1]!.replaceAll('.', '').split('').reverse().join('');
  return digits.replace(/(.{4})(?=.)/g, '$1:');
}

export function clusterAddresses(service: Service): string[] {
  const { clusterIP, clusterIPs } = service.spec ?? {};
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  return addresses.filter((address) => address !== 'None' && address !== '');
}

function withoutUnderscore(label: string | undefined): string | undefined {
  return label?.startsWith('_') ? label.slice(1) : label;
}

function found(answers: ResourceRecord[]): ClusterAnswer {
  return { code: ResponseCode.noError, answers, additionals: [] };
}
