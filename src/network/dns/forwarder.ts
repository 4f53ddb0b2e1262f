/** Asks other name servers, over UDP and, when an answer does not fit, TCP; keeps answers for a while. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { encodeQuery, parseAnswer, ResponseCode } from './message.ts';

export interface ForwarderOptions {
  clock: Clock;
  /** Uniform in [0, 1): message numbers come from it. */
  random: { next(): number };
}

export interface Forwarder {
  /**
   * The first answer of `servers` (`address` or `address:port`, tried in order) that is no failure of the server, as the
   * server sent it; undefined when none answers. `cacheSeconds`: the longest that it may be kept, here and by whoever asks
   * here; 0 for as long as the server says, but not here.
   */
  ask(question: {
    name: string;
    type: number;
    servers: readonly string[];
    cacheSeconds: number;
  }): Promise<Buffer | undefined>;
}

const timeoutMs = 2_000;
const triesPerServer = 2;
const udpSizeBytes = 1232;
const cacheEntriesMax = 10_000;
const questionsMax = 1_000;
const answerBytesMax = 65_535;

interface Kept {
  answer: Buffer;
  ttlOffsets: readonly number[];
  keptAtMs: number;
  endsAtMs: number;
}

export function createForwarder({ clock, random }: ForwarderOptions): Forwarder {
  const cache = new Map<string, Kept>();
  const running = new Map<string, Promise<Buffer | undefined>>();
  return {
    async ask({ name, type, servers, cacheSeconds }) {
      const key = `${name.toLowerCase()} ${type} ${servers.join(' ')}`;
      const kept = cache.get(key);
      if (kept && kept.endsAtMs > clock.monotonic()) return aged(kept, clock.monotonic());
      cache.delete(key);
      // Equal questions wait for one answer; more than so many different ones at a time are not taken.
      const present = running.get(key);
      if (present) return present;
      if (running.size >= questionsMax) return undefined;
      const asking = askServers(name, type, servers).finally(() => running.delete(key));
      running.set(key, asking);
      const answer = await asking;
      return answer && cacheSeconds > 0 ? keep(key, answer, cacheSeconds) : answer;
    },
  };

  /** Gives the answer with times to live that end when it is forgotten here, as CoreDNS does. */
  function keep(key: string, fresh: Buffer, cacheSeconds: number): Buffer {
    const parsed = parseAnswer(fresh);
    if (!parsed || (parsed.code !== ResponseCode.noError && parsed.code !== ResponseCode.noSuchName))
      return fresh;
    const seconds = Math.min(cacheSeconds, parsed.ttlSeconds);
    if (seconds <= 0) return fresh;
    const answer = withTtls(fresh, parsed.ttlOffsets, (ttl) => Math.min(ttl, seconds));
    if (cache.size >= cacheEntriesMax) cache.delete(cache.keys().next().value!);
    const nowMs = clock.monotonic();
    cache.set(key, {
      answer,
      ttlOffsets: parsed.ttlOffsets,
      keptAtMs: nowMs,
      endsAtMs: nowMs + seconds * 1000,
    });
    return answer;
  }

  async function askServers(
    name: string,
    type: number,
    servers: readonly string[],
  ): Promise<Buffer | undefined> {
    let failure: Buffer | undefined;
    for (let round = 0; round < triesPerServer; round++) {
      for (const server of servers) {
        const answer = await askServer(
          server,
          encodeQuery(Math.floor(random.next() * 65_536), name, type, udpSizeBytes),
        );
        const parsed = answer && parseAnswer(answer);
        if (!parsed) continue;
        if (parsed.code !== ResponseCode.serverFailure && parsed.code !== ResponseCode.refused) return answer;
        failure = answer;
      }
      if (failure) return failure;
    }
    return undefined;
  }

  async function askServer(server: string, question: Buffer): Promise<Buffer | undefined> {
    const [address, port = 53] = splitPort(server);
    const answer = await askOverUdp(address, port, question);
    return answer && parseAnswer(answer)?.isTruncated ? askOverTcp(address, port, question) : answer;
  }

  /** Each question from a port of its own, so that nobody can guess where an answer would be taken. */
  function askOverUdp(address: string, port: number, question: Buffer): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
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
      // Nobody listens there, or no route leads there: as good as no answer.
      const fail = () => finish(undefined);
      socket.on('error', fail);
      socket.connect(port, address, ((error?: Error) => {
        if (error) fail();
        else if (!isOver) socket.send(question, (failure) => failure && fail());
      }) as () => void);
    });
  }

  function askOverTcp(address: string, port: number, question: Buffer): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const socket = connect({ host: address, port });
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
        if (all.length > answerBytesMax + 2) return finish(undefined);
        if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) return;
        const answer = all.subarray(2, 2 + all.readUInt16BE(0));
        finish(answersTo(answer, question) ? answer : undefined);
      });
      socket.on('error', () => finish(undefined));
      socket.on('close', () => finish(undefined));
    });
  }
}

/** With its length before it, as TCP wants messages. */
export function framed(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(message.length + 2);
  bytes.writeUInt16BE(message.length, 0);
  message.copy(bytes, 2);
  return bytes;
}

/** Addresses of `nameserver` lines. */
export function parseNameServers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]!);
}

function answersTo(answer: Buffer, question: Buffer): boolean {
  return (
    answer.length >= 12 && answer.readUInt16BE(0) === question.readUInt16BE(0) && (answer[2]! & 0x80) !== 0
  );
}

/** The time that an answer was kept counts against its records' time to live. */
function aged({ answer, ttlOffsets, keptAtMs }: Kept, nowMs: number): Buffer {
  const seconds = Math.floor((nowMs - keptAtMs) / 1000);
  return withTtls(answer, ttlOffsets, (ttl) => Math.max(0, ttl - seconds));
}

function withTtls(answer: Buffer, offsets: readonly number[], change: (ttl: number) => number): Buffer {
  const copy = Buffer.from(answer);
  for (const offset of offsets) copy.writeUInt32BE(change(copy.readUInt32BE(offset)), offset);
  return copy;
}

function splitPort(server: string): [string, number?] {
  const match = /^\[?([^\]]+?)\]?:(\d+)$/.exec(server);
  if (!match || (match[1]!.includes(':') && !server.startsWith('['))) return [server];
  return [match[1]!, Number(match[2])];
}
