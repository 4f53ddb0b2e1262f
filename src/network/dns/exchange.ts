/** One query to one name server: over UDP and, when the answer does not fit, TCP. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { parseAnswer } from './message/message.ts';
import { headerBytes } from './message/message-reader.ts';

const dnsPort = 53;
const timeoutMs = 2_000;
const answerBytesMax = 65_535;
/** Over TCP, every message is preceded by its length. */
const lengthBytes = 2;

/** `server`: `address` or `address:port`. Undefined when it does not answer in time. */
export async function askNameServer(
  server: string,
  question: Buffer,
  clock: Clock,
): Promise<Buffer | undefined> {
  const [host, port = dnsPort] = splitPort(server);
  const answer = await askOverUdp({ host, port, question, clock });
  return answer && parseAnswer(answer)?.isTruncated ? askOverTcp({ host, port, question, clock }) : answer;
}

/** Preceded by its length, as TCP requires. */
export function framed(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(message.length + lengthBytes);
  bytes.writeUInt16BE(message.length, 0);
  message.copy(bytes, lengthBytes);
  return bytes;
}

interface Exchange {
  host: string;
  port: number;
  question: Buffer;
  clock: Clock;
}

/** Each query uses another port, so that an attacker cannot guess where an answer would be accepted. */
function askOverUdp({ host, port, question, clock }: Exchange): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    let isOver = false;
    const finish = (answer: Buffer | undefined) => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => finish(undefined));
    socket.on('message', (answer) => {
      if (answersTo(answer, question)) finish(answer);
    });
    // No server listens there, or no route leads there: the same as no answer.
    const fail = () => finish(undefined);
    socket.on('error', fail);
    socket.connect(port, host, ((error?: Error) => {
      if (error) fail();
      else if (!isOver) socket.send(question, (failure) => failure && fail());
    }) as () => void);
  });
}

function askOverTcp({ host, port, question, clock }: Exchange): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const chunks: Buffer[] = [];
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => finish(undefined));
    socket.on('connect', () => socket.write(framed(question)));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length > answerBytesMax + lengthBytes) return finish(undefined);
      if (all.length < lengthBytes || all.length < lengthBytes + all.readUInt16BE(0)) return;
      const answer = all.subarray(lengthBytes, lengthBytes + all.readUInt16BE(0));
      finish(answersTo(answer, question) ? answer : undefined);
    });
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
  });
}

function answersTo(answer: Buffer, question: Buffer): boolean {
  const isAnswer = answer.length >= headerBytes && (answer[2]! & 0x80) !== 0;
  return isAnswer && answer.readUInt16BE(0) === question.readUInt16BE(0);
}

function splitPort(server: string): [string, number?] {
  const match = /^\[?([^\]]+?)\]?:(\d+)$/.exec(server);
  if (!match || (match[1]!.includes(':') && !server.startsWith('['))) return [server];
  return [match[1]!, Number(match[2])];
}
