/**
 * Cluster DNS: every node answers its own pods at the service address of `kube-system/kube-dns`, from the node's informers,
 * configured by the ConfigMaps that CoreDNS and kube-dns read.
 */
import { readFile } from 'node:fs/promises';
import { ConfigMap, Namespace, Service } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createCommandRunner, type RunCommand } from '../command.ts';
import { keepTable } from '../nftables/kept-table.ts';
import { serviceSlices } from '../service-slices.ts';
import { dnsTable, takeDnsAddress } from './address.ts';
import { type ClusterView, clusterAddresses } from './cluster-names.ts';
import { CorefileError, parseCorefile, type ServerBlock } from './corefile.ts';
import { defaultCorefile, dnsConfigMapName, dnsNamespace } from './dns-objects.ts';
import { createForwarder, parseNameServers } from './forwarder.ts';
import {
  encodeError,
  encodePassedOn,
  encodeResponse,
  parseQuery,
  type Query,
  ResponseCode,
} from './message/message.ts';
import { internetClass } from './message/resource-record.ts';
import { createMeter, type Meter, serveMetrics } from './metrics.ts';
import { type Resolution, type ResolverOptions, resolve } from './resolver.ts';
import { listenForDns } from './sockets.ts';

export interface DnsOptions {
  /** The service address, added to the node's loopback interface; 10.96.0.10 unless the service range differs. */
  address: string;
  /** 53 when absent. */
  port?: number;
  /** e.g. `cluster.local`. */
  clusterDomain: string;
  informers: InformerFactory;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** The node's own name servers; `/etc/resolv.conf` when absent. */
  resolvConf?: string;
  /** How to run `ip` and `nft`; directly when absent. */
  run?: RunCommand;
}

export interface Dns {
  port: number;
}

const plainUdpSizeBytes = 512;
const resolvConfAgeMsMax = 30_000;

/** Resolves when queries are answered; stops when `signal` aborts. */
export async function startDns(options: DnsOptions, signal: AbortSignal): Promise<Dns> {
  const { informers, clock, logger, port = 53 } = options;
  const view = await clusterView(informers);
  const settings = await followSettings(options);
  const nodeServers = await followResolvConf(options);
  const forwarder = createForwarder({ clock, random: options.random });
  const resolver: ResolverOptions = {
    view: view.view,
    forwarder,
    get blocks() {
      return settings.blocks;
    },
    nodeServers,
    serial: view.serial,
    random: options.random,
  };
  const meter = createMeter(options.metrics);
  if (!isLoopback(options.address)) {
    const run = options.run ?? createCommandRunner();
    const takeAddress = () => takeDnsAddress(run, options.address, port);
    await takeAddress();
    const isWanted = () => true;
    void keepTable({ name: dnsTable, clock, logger, run, isWanted, restore: takeAddress }, signal);
    serveMetrics(options, signal);
  }
  return listenForDns(
    {
      address: options.address,
      port,
      answer: (message, protocol) => answer(message, protocol, { resolver, meter, clock }),
      onError: (error) => logger.error('name server', { error }),
    },
    signal,
  );
}

function answer(
  message: Buffer,
  protocol: 'udp' | 'tcp',
  { resolver, meter, clock }: { resolver: ResolverOptions; meter: Meter; clock: Clock },
): Buffer | undefined | Promise<Buffer | undefined> {
  const startMs = clock.monotonic();
  const query = parseQuery(message);
  if (!query) return undefined;
  if ('malformed' in query) return encodeError(query.id, ResponseCode.formatError);
  const finish = (resolution: Resolution) => {
    const bytes = encode(query, resolution, protocol);
    meter(query, protocol, bytes[3]! & 0xf, clock.monotonic() - startMs);
    return bytes;
  };
  const problem = problemOf(query);
  if (problem !== undefined) return finish({ code: problem, authoritative: false, answers: [] });
  const resolution = resolve(query, resolver);
  return resolution instanceof Promise ? resolution.then(finish) : finish(resolution);
}

function problemOf(query: Query): number | undefined {
  if (query.edns && query.edns.version !== 0) return ResponseCode.badVersion;
  if (query.opcode !== 0) return ResponseCode.notImplemented;
  return query.class === internetClass ? undefined : ResponseCode.refused;
}

function encode(query: Query, resolution: Resolution, protocol: 'udp' | 'tcp'): Buffer {
  const sizeBytesMax =
    protocol === 'tcp'
      ? undefined
      : Math.max(plainUdpSizeBytes, query.edns?.udpSizeBytes ?? plainUdpSizeBytes);
  if (!('passOn' in resolution)) return encodeResponse(query, resolution, sizeBytesMax);
  const passedOn = encodePassedOn(query, resolution.passOn);
  if (sizeBytesMax !== undefined && passedOn.length > sizeBytesMax) {
    const truncated = encodeResponse(query, {
      code: ResponseCode.noError,
      authoritative: false,
      answers: [],
    });
    truncated[2]! |= 0x02;
    return truncated;
  }
  return passedOn;
}

async function clusterView(informers: InformerFactory): Promise<{ view: ClusterView; serial(): number }> {
  const services = informers.of(Service);
  const namespaces = informers.of(Namespace);
  const slices = serviceSlices(informers);
  services.addIndex('dns-cluster-address', clusterAddresses);
  slices.informer.addIndex('dns-named-address', namedAddresses);
  await Promise.all([services.synced(), namespaces.synced(), slices.informer.synced()]);
  const view: ClusterView = {
    hasNamespace: (name) => namespaces.get(name) !== undefined,
    service: (key) => services.get(key),
    slicesOf: slices.of,
    servicesByClusterAddress: (address) => services.byIndex('dns-cluster-address', address),
    slicesByNamedAddress: (address) => slices.informer.byIndex('dns-named-address', address),
  };
  // Revisions only grow, and every change of a name has one, as a zone's serial number requires.
  const serial = () =>
    Math.max(Number(services.resourceVersion) || 0, Number(slices.informer.resourceVersion) || 0) >>> 0;
  return { view, serial };
}

function namedAddresses(slice: { endpoints?: { addresses: string[]; hostname?: string }[] }): string[] {
  return (slice.endpoints ?? []).filter(({ hostname }) => hostname).flatMap(({ addresses }) => addresses);
}

/** The active server blocks: the latest from the ConfigMaps that could be read. */
async function followSettings(options: DnsOptions): Promise<{ blocks: readonly ServerBlock[] }> {
  const { informers, clusterDomain, logger } = options;
  const configMaps = informers.of(ConfigMap, { namespace: dnsNamespace });
  await configMaps.synced();
  const settings = { blocks: parseCorefile(defaultCorefile(clusterDomain)) as readonly ServerBlock[] };
  const read = () => {
    try {
      const corefile = configMaps.get(`${dnsNamespace}/${dnsConfigMapName}`)?.data?.Corefile;
      const blocks = parseCorefile(corefile ?? defaultCorefile(clusterDomain));
      settings.blocks = withStubDomains(blocks, configMaps.get(`${dnsNamespace}/kube-dns`)?.data ?? {});
    } catch (error) {
      logger.error('the configuration of cluster DNS cannot be used; the last good one stays', { error });
    }
  };
  read();
  const touch = ({ metadata: { name } }: ConfigMap) => {
    if (name === dnsConfigMapName || name === 'kube-dns') read();
  };
  configMaps.handle({ added: touch, updated: touch, deleted: touch });
  return settings;
}

/** kube-dns' own ConfigMap: `stubDomains` and `upstreamNameservers` as JSON. @throws SyntaxError or CorefileError */
function withStubDomains(blocks: readonly ServerBlock[], data: Record<string, string>): ServerBlock[] {
  const stubs = Object.entries(JSON.parse(data.stubDomains ?? '{}') as Record<string, unknown>).map(
    ([domain, to]) => ({ from: domain.replace(/\.$/, '').toLowerCase(), to: listOfServers(to) }),
  );
  const upstreams = listOfServers(JSON.parse(data.upstreamNameservers ?? '[]'));
  const all = upstreams.length > 0 ? [{ from: '', to: upstreams }] : [];
  return blocks.map((block) => {
    if (!block.kubernetes) return block;
    const kept = upstreams.length > 0 ? block.forwards.filter(({ from }) => from !== '') : block.forwards;
    return { ...block, forwards: [...stubs, ...kept, ...all] };
  });
}

function listOfServers(value: unknown): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new CorefileError(`${JSON.stringify(value)} is no list of name servers`);
}

/** Read again when it is old and a query needs it. */
async function followResolvConf(options: DnsOptions): Promise<() => readonly string[]> {
  const path = options.resolvConf ?? '/etc/resolv.conf';
  let servers: readonly string[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  const read = async () => {
    readAtMs = options.clock.monotonic();
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      options.logger.debug('no name servers of the node', { error });
      return '';
    });
    servers = parseNameServers(text).filter((server) => server !== options.address);
  };
  await read();
  return () => {
    if (options.clock.monotonic() - readAtMs > resolvConfAgeMsMax) void read();
    return servers;
  };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.');
}
