/** How many requests of each kind an API server answers: creates, gets, patches, lists, and events to watchers. */
import type { HttpTransportOptions } from '../src/client/http-transport.ts';
import { LoadClient } from './load-client.ts';

export interface ApiFigures {
  /** ConfigMaps of 1 KiB, 32 clients, acknowledged ones only. */
  createsPerSecond: number;
  getsPerSecond: number;
  patchesPerSecond: number;
  /** Lists of 500 ConfigMaps of 1 KiB. */
  listsOf500PerSecond: number;
  /** Events that 100 watchers of one namespace received per second, all together. */
  watchEventsPerSecond: number;
}

const clientsCount = 32;
const watchersCount = 100;
const listLength = 500;
const phaseMs = 3_000;
/** Writes whose events are counted at the watchers, and how many clients make them at once. */
const watchedWrites = 2_000;
const writersCount = 8;
const waitForEventsMs = 20_000;
const payload = 'x'.repeat(850);

export async function measureApi(connection: HttpTransportOptions, namespace: string): Promise<ApiFigures> {
  const clients = await Promise.all(Array.from({ length: clientsCount }, () => LoadClient.open(connection)));
  const base = `/api/v1/namespaces/${namespace}/configmaps`;
  try {
    let created = 0;
    const createsPerSecond = await rate(clients, (client) =>
      client.prepare('POST', base, configMap(`load-${created++}`, namespace)),
    );
    const getsPerSecond = await rate(clients, (client, index) =>
      client.prepare('GET', `${base}/load-${index}`),
    );
    const patch = JSON.stringify({ data: { patched: 'yes' } });
    let patched = 0;
    const patchesPerSecond = await rate(clients, (client, index) =>
      client.prepare(
        'PATCH',
        `${base}/load-${index}`,
        patch.replace('yes', String(patched++)),
        'application/merge-patch+json',
      ),
    );
    const listsOf500PerSecond = await rate(clients.slice(0, 4), (client) =>
      client.prepare('GET', `${base}?limit=${listLength}`),
    );
    const watchEventsPerSecond = await measureWatches(
      connection,
      clients.slice(0, writersCount),
      base,
      namespace,
    );
    return { createsPerSecond, getsPerSecond, patchesPerSecond, listsOf500PerSecond, watchEventsPerSecond };
  } finally {
    for (const client of clients) client.close();
  }
}

/** Every client asks again as soon as it is answered; anything but a success ends the run. */
async function rate(
  clients: readonly LoadClient[],
  requestFor: (client: LoadClient, index: number) => Buffer,
): Promise<number> {
  const startMs = performance.now();
  let answered = 0;
  await Promise.all(
    clients.map(async (client, index) => {
      while (performance.now() - startMs < phaseMs) {
        const { status } = await client.send(requestFor(client, index));
        if (status >= 300) throw new Error(`the server answered ${status}`);
        answered++;
      }
    }),
  );
  return Math.round((answered * 1000) / (performance.now() - startMs));
}

async function measureWatches(
  connection: HttpTransportOptions,
  writers: readonly LoadClient[],
  base: string,
  namespace: string,
): Promise<number> {
  const watchers = await Promise.all(
    Array.from({ length: watchersCount }, () => LoadClient.open(connection)),
  );
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
          const text = tail.length > 0 ? Buffer.concat([tail, chunk]) : chunk;
          for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) received++;
          // A mark may be cut between two pieces; less than a whole one is kept, so none counts twice.
          tail = text.subarray(Math.max(0, text.length - mark.length + 1));
          if (received < expected) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
    await allWatching(writers[0]!, watchersCount);
    const startMs = performance.now();
    let written = 0;
    await Promise.all(
      writers.map(async (writer) => {
        while (written < watchedWrites) {
          const body = configMap(`watched-${written++}`, namespace, { bench: 'watched' });
          const { status } = await writer.send(writer.prepare('POST', base, body));
          if (status !== 201) throw new Error(`the server answered ${status}`);
        }
      }),
    );
    await arrived;
    return Math.round((expected * 1000) / (performance.now() - startMs));
  } finally {
    for (const watcher of watchers) watcher.close();
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
