/**
 * Exec and attach where client and runtime have no protocol in common: a client of version 5 of the WebSocket protocol
 * (the runtime speaks SPDY), or one without a terminal that attaches to a container with one.
 */
import type { Duplex } from 'node:stream';
import {
  acceptSpdy,
  acceptV5,
  type ClientStreams,
  type InputStream,
  type OutputStream,
  type StreamRequest,
  speaksV5,
  type Upgrade,
} from './client-streams.ts';
import { SpdySession, type SpdyStream } from './spdy-session.ts';
import { openSpdy } from './stream-proxy.ts';

export interface Translation {
  /** What the client requested. */
  client: StreamRequest;
  /** What was requested of the runtime. */
  runtime: StreamRequest;
  /**
   * What the end of the client's input becomes. A terminal's input does not end: a control character signals its
   * programs. On a closed stream the runtime would drop the output, or close the terminal and so end them.
   */
  inputEnd: 'ends' | 'is typed';
  /**
   * Called at the end of a stream without output: a Status to send in place of the runtime's, if any. `inputHasEnded`:
   * the client has closed its input.
   */
  statusOfSilence?: (
    runtimeStatus: string,
    circumstances: { inputHasEnded: boolean },
  ) => Promise<object | undefined>;
}

const endOfTransmission = 0x04;
const lineFeed = 0x0a;

/**
 * `url`: of the runtime. @throws Error with the runtime's answer, when it is another, or when the client leaves early
 */
export async function translateStreams(upgrade: Upgrade, url: string, how: Translation): Promise<void> {
  const { socket, head } = await openSpdy(url, 'v4.channel.k8s.io');
  socket.setNoDelay(true);
  if (head.length > 0) socket.unshift(head);
  const session = new SpdySession(socket);
  session.onClose = () => upgrade.client.destroy();
  const client = await acceptClient(upgrade, how.client, socket);
  // The runtime closes the connection as soon as it has sent its status.
  let settled = Promise.resolve();
  session.onClose = () => void settled.then(() => client.close());
  const open = new Set<OutputStream>();
  const inputs = new Map<InputStream, SpdyStream>();
  const close = (name: OutputStream) => {
    open.delete(name);
    if (open.size === 0) session.close();
  };
  let isSilent = true;
  let inputHasEnded = false;
  const openOutput = async (name: 'stdout' | 'stderr') => {
    open.add(name);
    const stream = await session.open({ streamType: name });
    stream.onData = (data) => {
      isSilent = false;
      client.send(name, data, session);
    };
    stream.onEnd = () => close(name);
  };
  const openStatus = async () => {
    open.add('error');
    const stream = await session.open({ streamType: 'error' });
    const parts: Buffer[] = [];
    stream.onData = (data) => parts.push(data);
    const settle = async () => {
      const runtimeStatus = Buffer.concat(parts);
      const status = isSilent
        ? await how.statusOfSilence?.(runtimeStatus.toString(), { inputHasEnded })
        : undefined;
      const message = status ? Buffer.from(JSON.stringify(status)) : runtimeStatus;
      if (message.length > 0) client.send('error', message, session);
      close('error');
    };
    stream.onEnd = () => {
      settled = settle();
    };
  };
  // The runtime starts when all of these are open.
  await openStatus();
  if (how.runtime.stdin) inputs.set('stdin', await session.open({ streamType: 'stdin' }));
  if (how.runtime.stdout) await openOutput('stdout');
  if (how.runtime.stderr) await openOutput('stderr');
  if (how.runtime.tty) inputs.set('resize', await session.open({ streamType: 'resize' }));
  const ended = () => {
    inputHasEnded = true;
  };
  passInput(client, session, inputs, { inputEnd: how.inputEnd, ended });
}

function acceptClient(upgrade: Upgrade, wanted: StreamRequest, runtimeSide: Duplex): Promise<ClientStreams> {
  if (speaksV5(upgrade.request)) return acceptV5(upgrade, runtimeSide);
  return acceptSpdy(upgrade, wanted, runtimeSide);
}

function passInput(
  client: ClientStreams,
  session: SpdySession,
  inputs: ReadonlyMap<InputStream, SpdyStream>,
  { inputEnd, ended }: { inputEnd: Translation['inputEnd']; ended(): void },
): void {
  let isLineOpen = false;
  client.listen({
    data: (name, data) => {
      if (name === 'stdin' && data.length > 0) isLineOpen = data.at(-1) !== lineFeed;
      return inputs.get(name)?.write(data) === false ? session.drained() : undefined;
    },
    end: (name) => {
      if (name === 'stdin') ended();
      if (name === 'stdin' && inputEnd === 'is typed')
        // Within a line, the first one only delivers what was typed of it.
        inputs.get(name)?.write(new Uint8Array(isLineOpen ? 2 : 1).fill(endOfTransmission));
      else inputs.get(name)?.end();
    },
    close: () => session.close(),
  });
}
