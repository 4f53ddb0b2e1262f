/** Which pod answers for a service: found in its endpoint slices, reached through its node. */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { EndpointSlice, Node, Service } from '../../api/resources.gen.ts';
import { notFound, serviceUnavailable } from '../../api/status.ts';
import { serviceNameLabel } from '../../api/well-known.ts';
import type { Random } from '../../base/random.ts';
import { dialReason } from '../../base/text/dial-reason.ts';
import type { ObjectReader } from '../object-reader.ts';
import { UnreachableError } from '../outgoing/unreachable.ts';
import type { NodeConnector } from './node-connector.ts';

export interface Endpoint {
  address: string;
  port: number;
  nodeName: string | undefined;
}

/**
 * Any ready endpoint of a service's port.
 * @throws StatusError 404 when there is no such service, 503 when it has no ready endpoint
 */
function chooseEndpoint(
  objects: ObjectReader,
  random: Random,
  { namespace, name, port }: { namespace: string; name: string; port: number },
): Endpoint {
  const service = objects.get(Service, namespace, name);
  if (!service) throw notFound(Service, name);
  const wanted = service.spec?.ports?.find((candidate) => candidate.port === port);
  if (!wanted) throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const candidates = [...endpointsOf(objects, namespace, name, wanted.name ?? '')];
  if (candidates.length === 0)
    throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return candidates[Math.floor(random.next() * candidates.length)]!;
}

function* endpointsOf(
  objects: ObjectReader,
  namespace: string,
  service: string,
  portName: string,
): Generator<Endpoint> {
  for (const slice of objects.list(EndpointSlice, namespace)) {
    if (slice.metadata.labels?.[serviceNameLabel] !== service) continue;
    const port = slice.ports?.find((candidate) => (candidate.name ?? '') === portName)?.port;
    if (!port) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints ?? []) {
      if (conditions?.ready === false || !addresses[0]) continue;
      yield { address: addresses[0], port, nodeName };
    }
  }
}

/** Connects to services for those who call them on the server's behalf (webhooks, aggregated API servers). */
export function serviceDialer(
  objects: ObjectReader,
  nodes: NodeConnector,
  random: Random,
): (namespace: string, name: string, port: number) => Promise<Duplex> {
  return async (namespace, name, port) => {
    const { type, externalName } = objects.get(Service, namespace, name)?.spec ?? {};
    // An external host name: there is no pod to choose, and no node to go through.
    if (type === 'ExternalName' && externalName) return connectStraight(externalName, port);
    return connectEndpoint(objects, nodes, chooseEndpoint(objects, random, { namespace, name, port }));
  };
}

/**
 * A connection to an endpoint through its node. When no node is named (endpoints made by hand, services of the nodes
 * themselves) any ready node will do, since all of them can reach the pods; without nodes, or with nodes that are simulated,
 * the connection is direct.
 */
export async function connectEndpoint(
  objects: ObjectReader,
  nodes: NodeConnector,
  { address, port, nodeName }: Endpoint,
): Promise<Duplex> {
  const through = nodeName ?? (nodes.canTunnel ? anyReadyNode(objects) : undefined);
  return through ? nodes.tunnel(through, address, port) : connectStraight(address, port);
}

function anyReadyNode(objects: ObjectReader): string | undefined {
  for (const { metadata, status } of objects.list(Node))
    if (status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'))
      return metadata.name;
  return undefined;
}

function connectStraight(host: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const fail = (error: Error) =>
      reject(new UnreachableError(`dial tcp ${host}:${port}: ${dialReason(error)}`, { cause: error }));
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
