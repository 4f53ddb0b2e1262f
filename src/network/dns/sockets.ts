/** The UDP and TCP sockets of a name server: bytes in, bytes out. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { framed } from './exchange.ts';

export interface DnsListenOptions {
  address: string;
  port: number;
  /** Returns the answer, or undefined when there should be none. */
  answer(message: Buffer, protocol: 'udp' | 'tcp'): Buffer | undefined | Promise<Buffer | undefined>;
  onError(error: Error): void;
}

const tcpConnectionsMax = 1_000;
const tcpIdleMs = 10_000;
/** Bytes of queries that the kernel keeps while the process is busy. */
const receiveBufferBytes = 1 << 20;

/** Resolves when both sockets listen; they close when `signal` aborts. */
export async function listenForDns(
  options: DnsListenOptions,
  signal: AbortSignal,
): Promise<{ port: number }> {
  const family = options.address.includes(':') ? 6 : 4;
  const udp = createSocket({
    type: `udp${family}`,
    // Answers go to literal addresses: they need not wait for a lookup.
    lookup: (address, _options, callback) => callback(null, address, family),
  });
  udp.on('message', (message, from) => {
    reply(options, message, 'udp', (answer) => udp.send(answer, from.port, from.address));
  });
  const listening = once(udp, 'listening');
  udp.bind(options.port, options.address);
  await listening;
  udp.setRecvBufferSize(receiveBufferBytes);
  udp.on('error', options.onError);
  const { port } = udp.address();
  const tcp = createServer((socket) => serveConnection(socket, options));
  tcp.maxConnections = tcpConnectionsMax;
  tcp.listen(port, options.address);
  try {
    await once(tcp, 'listening');
  } catch (error) {
    udp.close();
    throw error;
  }
  tcp.on('error', options.onError);
  const sockets = new Set<Socket>();
  tcp.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const close = () => closeAll(udp, tcp, sockets);
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return { port };
}

function reply(
  options: DnsListenOptions,
  message: Buffer,
  protocol: 'udp' | 'tcp',
  send: (answer: Buffer) => void,
): void {
  // Whatever a stranger's query causes, the rest of this process carries on.
  try {
    const answer = options.answer(message, protocol);
    if (answer instanceof Promise) answer.then((bytes) => bytes && send(bytes)).catch(options.onError);
    else if (answer) send(answer);
  } catch (error) {
    options.onError(error as Error);
  }
}

function serveConnection(socket: Socket, options: DnsListenOptions): void {
  let pending: Buffer = Buffer.alloc(0);
  /** While a client does not read its answers, no more of its queries are read; in time it counts as idle. */
  const takeQuestions = () => {
    while (
      !socket.writableNeedDrain &&
      pending.length >= 2 &&
      pending.length >= 2 + pending.readUInt16BE(0)
    ) {
      const end = 2 + pending.readUInt16BE(0);
      const message = pending.subarray(2, end);
      pending = pending.subarray(end);
      reply(options, message, 'tcp', (answer) => {
        if (socket.writable) socket.write(framed(answer));
      });
    }
    if (socket.writableNeedDrain) socket.pause();
    else socket.resume();
  };
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  // A client that closes its connection early is nothing to report.
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    takeQuestions();
  });
  socket.on('drain', takeQuestions);
}

function closeAll(udp: UdpSocket, tcp: Server, sockets: Iterable<Socket>): void {
  udp.close();
  tcp.close();
  for (const socket of sockets) socket.destroy();
}
