/** Connections from the API server into the nodes: to a node's agent, and through it to pods. */
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Node } from '../../api/resources.gen.ts';
import { Node as NodeType } from '../../api/resources.gen.ts';
import { notFound, serviceUnavailable } from '../../api/status.ts';
import type { ObjectReader } from '../object-reader.ts';

/** Read for every connection: whoever renews them may put others in place. */
export interface NodeCredentials {
  /** PEM: what the API server shows to the agents. */
  cert: string;
  key: string;
  /** PEM of the CAs that sign the agents' serving certificates. */
  ca: string;
}

const agentPortDefault = 10_250;
const connectTimeoutMs = 10_000;
/** The head of an agent's answer to CONNECT. */
const tunnelHeadBytesMax = 16 * 1024;

/** Kinds of addresses, the preferred one first (upstream's default order). */
const addressOrder = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP'];

export class NodeConnector {
  readonly #objects: ObjectReader;
  readonly #credentials: NodeCredentials | undefined;

  constructor(objects: ObjectReader, credentials: NodeCredentials | undefined) {
    this.#objects = objects;
    this.#credentials = credentials;
  }

  /** A TLS connection to the agent of a node. @throws StatusError 404, 503 */
  connect(nodeName: string): Promise<Duplex> {
    const node = this.#objects.get(NodeType, '', nodeName);
    if (!node) throw notFound(NodeType, nodeName);
    const credentials = this.#credentials;
    if (!credentials) throw serviceUnavailable('this server has no credentials for nodes');
    const host = addressOf(node);
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port || agentPortDefault;
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
        reject(
          serviceUnavailable(`error dialing backend: dial tcp ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      };
      socket.once('error', fail);
      socket.once('timeout', () => fail(new Error('i/o timeout')));
      socket.once('secureConnect', () => {
        socket.off('error', fail);
        socket.setTimeout(0);
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  /** A connection to an address that is reached from a node: the agent carries it. @throws StatusError 503 */
  async tunnel(nodeName: string, host: string, port: number): Promise<Duplex> {
    const socket = await this.connect(nodeName);
    const target = `${host}:${port}`;
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const { head, rest } = await readHead(socket, target);
    const problem = tunnelProblem(head);
    if (problem !== undefined) {
      socket.destroy();
      throw serviceUnavailable(`error trying to reach service: dial tcp ${target}: ${problem}`);
    }
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }
}

function addressOf(node: Node): string {
  const addresses = node.status?.addresses ?? [];
  // Names of nodes are known to nobody outside of them: addresses come first where there are any.
  for (const type of ['InternalIP', 'ExternalIP', ...addressOrder]) {
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

function readHead(socket: Duplex, target: string): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const fail = () => {
      stop();
      socket.destroy();
      reject(serviceUnavailable(`error trying to reach service: dial tcp ${target}: connection closed`));
    };
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
      socket.pause();
    };
    socket.on('data', onData);
    socket.on('close', fail);
    socket.on('error', fail);
  });
}
