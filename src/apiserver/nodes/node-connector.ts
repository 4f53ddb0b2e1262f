/** Connections from the API server into the nodes: to a node's agent, and through it to pods. */
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Node } from '../../api/resources.gen.ts';
import { notFound, serviceUnavailable } from '../../api/status.ts';
import { dialReason } from '../../base/text/dial-reason.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import type { ObjectReader } from '../object-reader.ts';
import { UnreachableError } from '../outgoing/unreachable.ts';

/** Read for every connection, since they may have been renewed. */
export interface NodeCredentials {
  /** PEM: what the API server shows to the agents. */
  cert: string;
  key: string;
  /** PEM of the CAs that sign the agents' serving certificates. */
  ca: string;
}

/** Simulated nodes run nothing that could be reached; their addresses may be those of others. */
export type NodeAccess = NodeCredentials | 'simulated';

const agentPortDefault = 10_250;
const connectTimeoutMs = 10_000;
/** For an agent's answer to CONNECT: upstream's dialers give up after as long. */
const tunnelTimeoutMsDefault = 30_000;
/** The head of an agent's answer to CONNECT. */
const tunnelHeadBytesMax = 16 * 1024;

/** Kinds of addresses in order of preference. Names of nodes come last: few of them can be resolved elsewhere. */
const addressOrder = ['InternalIP', 'ExternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS'];

export class NodeConnector {
  readonly #objects: ObjectReader;
  readonly #access: NodeAccess | undefined;
  readonly #tunnelTimeoutMs: number;

  constructor(
    objects: ObjectReader,
    access: NodeAccess | undefined,
    { tunnelTimeoutMs = tunnelTimeoutMsDefault }: { tunnelTimeoutMs?: number } = {},
  ) {
    this.#objects = objects;
    this.#access = access;
    this.#tunnelTimeoutMs = tunnelTimeoutMs;
  }

  /** Whether an address can be reached through a node: simulated ones carry nothing. */
  get canTunnel(): boolean {
    return this.#access !== 'simulated';
  }

  /** A TLS connection to the agent of a node. @throws StatusError 404, 503 */
  connect(nodeName: string): Promise<TLSSocket> {
    const node = this.#objects.get(Node, '', nodeName);
    if (!node) throw notFound(Node, nodeName);
    const credentials = this.#access;
    if (!credentials) throw serviceUnavailable('this server has no credentials for nodes');
    if (credentials === 'simulated')
      throw serviceUnavailable(
        `error dialing backend: node ${JSON.stringify(nodeName)} is simulated: nothing runs in its pods`,
      );
    const host = nodeAddress(node);
    const port = agentPortOf(node);
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        host,
        port,
        cert: credentials.cert,
        key: credentials.key,
        ca: credentials.ca,
        ALPNProtocols: ['http/1.1'],
        timeout: connectTimeoutMs,
        // The CA signs agents alone; a node may be reached at an address that its certificate does not name.
        checkServerIdentity: () => undefined,
      });
      const fail = (error: Error) => {
        socket.destroy();
        reject(new UnreachableError(whyNotConnected(error, joinHostPort(host, port)), { cause: error }));
      };
      socket.once('error', fail);
      const timeout = () => fail(new Error('i/o timeout'));
      socket.once('timeout', timeout);
      socket.once('secureConnect', () => {
        socket.off('error', fail);
        socket.off('timeout', timeout);
        socket.setTimeout(0);
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  /** Where the agent of a node answers, for messages. @throws StatusError 404, 503 */
  urlOf(nodeName: string): string {
    const node = this.#objects.get(Node, '', nodeName);
    if (!node) throw notFound(Node, nodeName);
    return `https://${joinHostPort(nodeAddress(node), agentPortOf(node))}`;
  }

  /** A connection to an address that is reached from a node: the agent carries it. @throws StatusError 503 */
  async tunnel(nodeName: string, host: string, port: number): Promise<Duplex> {
    const socket = await this.connect(nodeName);
    const target = `${host}:${port}`;
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const { head, rest } = await readHead(socket, target, this.#tunnelTimeoutMs);
    const problem = tunnelProblem(head);
    if (problem !== undefined) {
      socket.destroy();
      throw new UnreachableError(`dial tcp ${target}: ${problem}`);
    }
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }
}

/** What went wrong once there was a connection has nothing to do with dialling. */
function whyNotConnected(error: NodeJS.ErrnoException, address: string): string {
  const isDial = error.syscall === 'connect' || error.syscall === 'getaddrinfo' || error.code === undefined;
  return isDial ? `dial tcp ${address}: ${dialReason(error)}` : error.message;
}

export function agentPortOf(node: Node): number {
  return node.status?.daemonEndpoints?.kubeletEndpoint?.Port || agentPortDefault;
}

/** By which the server reaches a node. @throws StatusError 503 */
export function nodeAddress(node: Node): string {
  const addresses = node.status?.addresses ?? [];
  for (const type of addressOrder) {
    const found = addresses.find((address) => address.type === type);
    if (found?.address) return found.address;
  }
  throw serviceUnavailable(`no preferred addresses found; known addresses: []`);
}

/** Why an agent did not connect, from the head of its answer to CONNECT; undefined where it did. Pure. */
export function tunnelProblem(head: string): string | undefined {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === '200') return undefined;
  return /^Dial-Error: (.+)$/im.exec(head)?.[1]?.trimEnd() ?? `the node answered ${status ?? 'no HTTP'}`;
}

/** @throws StatusError 503 */
function readHead(
  socket: TLSSocket,
  target: string,
  timeoutMs: number,
): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const failWith = (why: string) => {
      stop();
      socket.destroy();
      reject(new UnreachableError(`dial tcp ${target}: ${why}`));
    };
    const fail = () => failWith('connection closed');
    // A node that loses its power says nothing, nor does its connection end.
    const timeout = () => failWith('i/o timeout');
    const onData = (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0) {
        if (read.length > tunnelHeadBytesMax) fail();
        return;
      }
      stop();
      resolve({ head: read.toString('latin1', 0, end), rest: read.subarray(end + 4) });
    };
    const stop = () => {
      socket.off('data', onData);
      socket.off('close', fail);
      socket.off('error', fail);
      socket.off('timeout', timeout);
      socket.setTimeout(0);
      socket.pause();
    };
    socket.setTimeout(timeoutMs);
    socket.on('timeout', timeout);
    socket.on('data', onData);
    socket.on('close', fail);
    socket.on('error', fail);
  });
}
