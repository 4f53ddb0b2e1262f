/** Queries other name servers, one after another, and caches their answers for a while. */
import type { Clock } from '../../base/clock.ts';
import { askNameServer } from './exchange.ts';
import { encodeQuery, parseAnswer, ResponseCode } from './message/message.ts';

export interface ForwarderOptions {
  clock: Clock;
  /** Uniform in [0, 1), for message ids. */
  random: { next(): number };
}

export interface Forwarder {
  /**
   * The first answer of `servers` (`address` or `address:port`, tried in order) that is not a server failure, as
   * received; undefined when none answers. `cacheSeconds`: the longest that it may be cached, here and by clients; 0:
   * as long as the server says, but not here.
   */
  ask(question: {
    name: string;
    type: number;
    servers: readonly string[];
    cacheSeconds: number;
  }): Promise<Buffer | undefined>;
}

const triesPerServer = 2;
/** What fits into one packet everywhere: the size that name servers agreed on for the DNS flag day of 2020. */
const udpSizeBytes = 1232;
const cacheEntriesMax = 10_000;
const questionsMax = 1_000;

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
      // Equal queries wait for one answer; the number of different queries at a time is limited.
      const present = running.get(key);
      if (present) return present;
      if (running.size >= questionsMax) return undefined;
      const asking = askServers(name, type, servers)
        .then((answer) => (answer && cacheSeconds > 0 ? keep(key, answer, cacheSeconds) : answer))
        .finally(() => running.delete(key));
      running.set(key, asking);
      return asking;
    },
  };

  /** Returns the answer with its times to live reduced by the time that it has been cached, as CoreDNS does. */
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
        const question = encodeQuery(Math.floor(random.next() * 65_536), name, type, udpSizeBytes);
        const answer = await askNameServer(server, question, clock);
        const parsed = answer && parseAnswer(answer);
        if (!parsed) continue;
        if (parsed.code !== ResponseCode.serverFailure && parsed.code !== ResponseCode.refused) return answer;
        failure = answer;
      }
      if (failure) return failure;
    }
    return undefined;
  }
}

/** Addresses of `nameserver` lines. */
export function parseNameServers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]!);
}

/** The time spent in the cache is taken off the records' times to live. */
function aged({ answer, ttlOffsets, keptAtMs }: Kept, nowMs: number): Buffer {
  const seconds = Math.floor((nowMs - keptAtMs) / 1000);
  return withTtls(answer, ttlOffsets, (ttl) => Math.max(0, ttl - seconds));
}

function withTtls(answer: Buffer, offsets: readonly number[], change: (ttl: number) => number): Buffer {
  const copy = Buffer.from(answer);
  for (const offset of offsets) copy.writeUInt32BE(change(copy.readUInt32BE(offset)), offset);
  return copy;
}
