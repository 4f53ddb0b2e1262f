/** Connections that the API server makes through the node, to addresses that only the node can reach. */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { joinStreams } from '../../../base/async/join-streams.ts';
import { dialReason } from '../../../base/text/dial-reason.ts';

/** `CONNECT host:port`: bytes to an address that only the node can reach. */
export function openTunnel(target: string, client: Duplex, head: Buffer): void {
  const { hostname, port } = new URL(`tcp://${target}`);
  const upstream = connect({ host: hostname.replace(/[[\]]/g, ''), port: Number(port) });
  upstream.setNoDelay(true);
  // The reason goes into the response head, which the API server reads completely before it looks at what follows.
  const refuse = (error: Error) => {
    client.end(`HTTP/1.1 502 Bad Gateway\r\nDial-Error: ${dialReason(error)}\r\nContent-Length: 0\r\n\r\n`);
  };
  const giveUp = () => upstream.destroy();
  upstream.once('error', refuse);
  client.once('close', giveUp);
  if (client.destroyed) giveUp();
  upstream.once('connect', () => {
    upstream.off('error', refuse);
    client.off('close', giveUp);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) upstream.write(head);
    joinStreams(client, upstream);
  });
}
