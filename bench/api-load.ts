/** How many requests of each kind an API server answers: creates, gets, patches, lists, and events to watchers. */
import type { HttpTransportOptions } from '../src/client/transport/http-transport.ts';
import { LoadClient } from './load-client.ts';

export interface ApiFigures {
  /** ConfigMaps of 1 KiB, 32 clients, acknowledged ones only. */
  creates: Rate;
  gets: Rate;
  patches: Rate;
  /** Of 500 ConfigMaps of 1 KiB, four clients. */
  lists: Rate;
  /** Events that 100 watchers of one namespace received, all together. */
  watchEvents: Rate;
}

export type Rate = {
  perSecond: number;
  /** Of the cluster's processor time; on a machine that others use too, this is the steadier figure. */
  perCpuSecond?: number;
};

/** Processor time that the cluster has taken so far. */
type CpuSeconds = (() => number) | undefined;

const clientsCount = 32;
const watchersCount = 100;
export const listLength = 500;
/** As many for every cluster, so that all have as much to warm up with and to keep. */
const requestCounts = { creates: 3_000, gets: 6_000, patches: 3_000, lists: 500 };
/** Writes whose events are counted at the watchers, and how many clients make them at once. */
const watchedWrites = 1_000;
const writersCount = 8;
const waitForEventsMs = 120_000;
const payload = 'x'.repeat(850);

export async function measureApi(
  connection: HttpTransportOptions,
  namespace: string,
  cpuSeconds: CpuSeconds,
): Promise<ApiFigures> {
  const clients = await Promise.all(Array.from({ length: clientsCount }, () => LoadClient.open(connection)));
  const base = `/api/v1/namespaces/${namespace}/configmaps`;
  try {
    let created = 0;
    const creates = await rate(clients, requestCounts.creates, cpuSeconds, (client) =>
      client.prepare('POST', base, configMap(`load-${created++}`, namespace)),
    );
    const gets = await rate(clients, requestCounts.gets, cpuSeconds, (client, index) =>
      client.prepare('GET', `${base}/load-${index}`),
    );
    const patch = JSON.stringify({ data: { patched: 'yes' } });
    let patched = 0;
    const patches = await rate(clients, requestCounts.patches, cpuSeconds, (client, index) =>
      client.prepare(
        'PATCH',
        `${base}/load-${index}`,
        patch.replace('yes', String(patched++)),
        'application/merge-patch+json',
      ),
    );
    const lists = await rate(clients.slice(0, 4), requestCounts.lists, cpuSeconds, (client) =>
      client.prepare('GET', `${base}?limit=${listLength}`),
    );
    const watchEvents = await measureWatches(connection, base, namespace, cpuSeconds);
    return { creates, gets, patches, lists, watchEvents };
  } finally {
    for (const client of clients) client.close();
  }
}

/** Every client asks again as soon as it is answered; anything but a success ends the run. */
async function rate(
  clients: readonly LoadClient[],
  count: number,
  cpuSeconds: CpuSeconds,
  requestFor: (client: LoadClient, index: number) => Buffer,
): Promise<Rate> {
  const rateOf = startRate(cpuSeconds);
  let sent = 0;
  await Promise.all(
    clients.map(async (client, index) => {
      while (sent++ < count) {
        const { status } = await client.send(requestFor(client, index));
        if (status >= 300) throw new Error(`the server answered ${status}`);
      }
    }),
  );
  return rateOf(count);
}

/** Returns a function that computes the rate of a count since this call. */
function startRate(cpuSeconds: CpuSeconds): (count: number) => Rate {
  const cpuBefore = cpuSeconds?.() ?? 0;
  const startMs = performance.now();
  return (count) => ({
    perSecond: Math.round((count * 1000) / (performance.now() - startMs)),
    ...(cpuSeconds && { perCpuSecond: Math.round(count / (cpuSeconds() - cpuBefore)) }),
  });
}

async function measureWatches(
  connection: HttpTransportOptions,
  base: string,
  namespace: string,
  cpuSeconds: CpuSeconds,
): Promise<Rate> {
  const open = (count: number) =>
    Promise.all(Array.from({ length: count }, () => LoadClient.open(connection)));
  const [watchers, writers] = [await open(watchersCount), await open(writersCount)];
  const mark = Buffer.from('"type":"ADDED"');
  const expected = watchedWrites * watchersCount;
  let received = 0;
  try {
    const selector = encodeURIComponent('bench=watched');
    const arrived = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${received} of ${expected} events came`)),
        waitForEventsMs,
      );
      for (const watcher of watchers) {
        const request = watcher.prepare('GET', `${base}?watch=true&labelSelector=${selector}`);
        let tail: Buffer = Buffer.alloc(0);
        watcher.stream(request, (chunk) => {
          // A mark may be cut between two pieces; of either less than a whole one is looked at, so none counts twice.
          const seam = Buffer.concat([tail, chunk.subarray(0, mark.length - 1)]);
          if (seam.includes(mark)) received++;
          for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length)) received++;
          tail = (chunk.length < mark.length ? seam : chunk).subarray(1 - mark.length);
          if (received < expected) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
    await allWatching(writers[0]!, watchersCount);
    const rateOf = startRate(cpuSeconds);
    let written = 0;
    const write = writers.map(async (writer) => {
      while (written < watchedWrites) {
        const body = configMap(`watched-${written++}`, namespace, { bench: 'watched' });
        const { status } = await writer.send(writer.prepare('POST', base, body));
        if (status !== 201) throw new Error(`the server answered ${status}`);
      }
    });
    await Promise.all([arrived, ...write]);
    return rateOf(expected);
  } finally {
    for (const client of [...watchers, ...writers]) client.close();
  }
}

/** The server has seen every watch request when it has answered one that was sent after them. */
async function allWatching(writer: LoadClient, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await writer.send(writer.prepare('GET', '/readyz'));
}

function configMap(name: string, namespace: string, labels?: Record<string, string>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, ...(labels && { labels }) },
    data: { payload },
  });
}
