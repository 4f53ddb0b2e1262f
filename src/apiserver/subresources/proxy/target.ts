/** What a proxy path names, `[scheme:]name[:port]`, and where that is reached. */
import { isIP, isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import { Endpoints, Node, Pod, Service } from '../../../api/resources.gen.ts';
import { badRequest, notFound, serviceUnavailable } from '../../../api/status.ts';
import type { EndpointAddress } from '../../../api/types/core-v1.gen.ts';
import type { Random } from '../../../base/random.ts';
import { joinHostPort } from '../../../base/text/host-port.ts';
import { connectEndpoint } from '../../nodes/endpoints.ts';
import { agentPortOf, type NodeConnector, nodeAddress } from '../../nodes/node-connector.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { UnreachableError } from '../../outgoing/unreachable.ts';
import { unverifiedTls } from '../../outgoing/unverified-tls.ts';

export type ProxiedKind = 'pods' | 'services' | 'nodes';

export interface TargetOptions {
  objects: ObjectReader;
  nodes: NodeConnector;
  random: Random;
  handshakeTimeoutMs?: number;
}

export interface Backend {
  connect(): Promise<Duplex>;
  /** By which its own links may name it. */
  host: string;
}

interface ProxyTarget {
  scheme: string;
  name: string;
  port: string;
}

/** Upstream's: a pod that accepts the connection and sends nothing would hold the request forever. */
const handshakeTimeoutMsDefault = 10_000;

/** @throws StatusError 400, 404, 503 */
export function findBackend(
  kind: ProxiedKind,
  options: TargetOptions,
  { namespace, name }: { namespace: string; name: string },
): Backend {
  const target = parseTarget(kind, name);
  if (kind === 'nodes') return nodeBackend(options, target);
  return kind === 'services'
    ? serviceBackend(options, namespace, target)
    : podBackend(options, namespace, target);
}

function parseTarget(kind: ProxiedKind, text: string): ProxyTarget {
  const parts = text.split(':');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length === 1) return { scheme: '', name: first, port: '' };
  if (parts.length === 2) return { scheme: '', name: first, port: second };
  if (parts.length === 3 && (first === '' || first === 'http' || first === 'https'))
    return { scheme: first, name: second, port: third };
  throw badRequest(`invalid ${kind.slice(0, -1)} request ${JSON.stringify(text)}`);
}

/** The kubelet, or whatever else listens on another port of the node. */
function nodeBackend({ objects, nodes, ...options }: TargetOptions, target: ProxyTarget): Backend {
  const { name } = target;
  const node = objects.get(Node, '', name);
  if (!node) throw notFound(Node, name);
  const address = nodeAddress(node);
  if (isIP(address) && !isProxyable(address)) throw badRequest('address not allowed');
  const agentPort = agentPortOf(node);
  if (target.port === '' || target.port === String(agentPort))
    return { host: joinHostPort(address, agentPort), connect: () => nodes.connect(name) };
  const port = portNumber(target.port);
  const connect = () => nodes.tunnel(name, address, port);
  return secured(target, options, { host: joinHostPort(address, port), connect });
}

function podBackend(
  { objects, nodes, ...options }: TargetOptions,
  namespace: string,
  target: ProxyTarget,
): Backend {
  const pod = objects.get(Pod, namespace, target.name);
  if (!pod) throw notFound(Pod, target.name);
  const address = pod.status?.podIP ?? '';
  const nodeName = pod.spec?.nodeName;
  if (!isProxyable(address) || !nodeName) throw badRequest('address not allowed');
  const port = portNumber(target.port || firstPort(pod) || (target.scheme === 'https' ? 443 : 80));
  const connect = () => nodes.tunnel(nodeName, address, port);
  return secured(target, options, { host: joinHostPort(address, port), connect });
}

function firstPort(pod: Pod): number | undefined {
  for (const { ports } of pod.spec?.containers ?? []) if (ports?.[0]) return ports[0].containerPort;
  return undefined;
}

function serviceBackend(
  { objects, nodes, random, ...options }: TargetOptions,
  namespace: string,
  target: ProxyTarget,
): Backend {
  const portName = namedPort(objects, namespace, target);
  const endpoints = objects.get(Endpoints, namespace, target.name);
  if (!endpoints) throw notFound(Service, target.name);
  const subsets = endpoints.subsets ?? [];
  const none = (name: string) =>
    serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  if (subsets.length === 0) throw none(target.name);
  const candidates = subsets.flatMap(({ addresses, ports }) =>
    (ports ?? [])
      .filter(({ name = '' }) => name === portName)
      .flatMap(({ port }) => (addresses ?? []).map((address) => ({ address, port }))),
  );
  const first = Math.floor(random.next() * candidates.length);
  const inTurn = [...candidates.slice(first), ...candidates.slice(0, first)];
  const chosen = inTurn.find(({ address }) => isOfPod(objects, namespace, address));
  if (!chosen) {
    const { scheme, name, port } = target;
    throw none([...(scheme ? [scheme] : []), name, ...(port ? [port] : [])].join(':'));
  }
  const { port, address } = chosen;
  const endpoint = { address: address.ip, port, nodeName: address.nodeName };
  const connect = () => connectEndpoint(objects, nodes, endpoint);
  return secured(target, options, { host: joinHostPort(address.ip, port), connect });
}

/** A port that is given by its number, by name. @throws StatusError 404, 503 */
function namedPort(objects: ObjectReader, namespace: string, { name, port }: ProxyTarget): string {
  if (!/^[+-]?\d+$/.test(port)) return port;
  const service = objects.get(Service, namespace, name);
  if (!service) throw notFound(Service, name);
  const found = service.spec?.ports?.find((candidate) => candidate.port === Number(port));
  if (!found)
    throw serviceUnavailable(`no service port ${Number(port)} found for service ${JSON.stringify(name)}`);
  return found.name ?? '';
}

/**
 * Only addresses that pods have: who may write Endpoints could otherwise reach whatever the nodes reach, such as their own
 * loopback or a provider's metadata service, through this server.
 */
function isOfPod(objects: ObjectReader, namespace: string, { ip, targetRef }: EndpointAddress): boolean {
  if (!targetRef?.name || targetRef.namespace !== namespace) return false;
  const pod = objects.get(Pod, namespace, targetRef.name);
  return pod?.status?.podIPs?.some((own) => own.ip === ip) ?? false;
}

/** Whether it can be one host's address in a network: no loopback, link-local, multicast or unspecified one. Pure. */
export function isProxyable(address: string): boolean {
  if (isIPv4(address))
    return !/^(0\.0\.0\.0$|127\.|169\.254\.|2(2[4-9]|3\d)\.|255\.255\.255\.255$)/.test(address);
  if (isIP(address) === 0) return false;
  // In the one form that URLs have of it.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  if (canonical.startsWith('::ffff:')) {
    const [high = 0, low = 0] = canonical
      .slice('::ffff:'.length)
      .split(':')
      .map((part) => Number.parseInt(part, 16));
    return isProxyable([high >> 8, high & 255, low >> 8, low & 255].join('.'));
  }
  return !/^(::1?$|fe[89ab].:|ff..:)/.test(canonical);
}

/** @throws StatusError 503 */
function portNumber(text: string | number): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return port;
  throw new UnreachableError(`dial tcp: address ${text}: invalid port`);
}

/** `https:` in the path: TLS to the backend, whose certificate cannot be verified. */
function secured(
  { scheme }: ProxyTarget,
  { handshakeTimeoutMs = handshakeTimeoutMsDefault }: { handshakeTimeoutMs?: number },
  backend: Backend,
): Backend {
  if (scheme !== 'https') return backend;
  return {
    ...backend,
    connect: async () => unverifiedTls(await backend.connect(), handshakeTimeoutMs),
  };
}
