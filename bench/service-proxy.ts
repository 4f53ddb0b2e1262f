/**
 * The service proxy with 10,000 services and 50,000 endpoints, on the kernel's own nftables in a namespace made for it:
 * milliseconds to load all, for one changed endpoint, and to take over the rules of a former process; the CPU time of each
 * beside it, which other work on the machine changes little. Prints JSON. `npm run bench:service-proxy`, as root.
 */
import { readFileSync } from 'node:fs';
import { EndpointSlice, Service } from '../src/api/resources.gen.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/logger.ts';
import { MetricsRegistry } from '../src/base/metrics.ts';
import { createFakeInformers } from '../src/network/informers.fake.ts';
import { TestNetwork } from '../src/network/network.fixture.ts';
import { startProxy } from '../src/network/proxy/proxy.ts';

const servicesCount = 10_000;
const endpointsPerService = 5;
const changesCount = 100;
/** Linux counts in this unit on every architecture. */
const ticksPerSecond = 100;

await using network = new TestNetwork();
const node = await network.node(2);
const informers = createFakeInformers();
for (let index = 0; index < servicesCount; index++) {
  informers.put(Service, {
    metadata: { name: `s${index}` },
    spec: { clusterIP: `10.100.${index >> 8}.${index & 255}`, ports: [{ port: 80, protocol: 'TCP' }] },
  });
  putSlice(index);
}

const first = new AbortController();
const [proxy, load] = await timed(() => start(first.signal));
const changes: number[] = [];
for (let change = 1; change <= changesCount; change++) {
  const [, { ms }] = await timed(() => {
    putSlice(change * 7, `10.245.0.${change}`);
    return proxy.settled();
  });
  changes.push(ms);
}
first.abort();
const second = new AbortController();
const [, adopt] = await timed(() => start(second.signal));
second.abort();
changes.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    elements: proxy.elementCount,
    load,
    oneEndpointMs: { median: round(changes[changesCount / 2]!), p95: round(changes[changesCount * 0.95]!) },
    adopt,
  }),
);

/** `changed`: the address of one of the endpoints, in place of its usual one. */
function putSlice(index: number, changed?: string): void {
  const addresses = Array.from({ length: endpointsPerService }, (_, each) => {
    const number = index * endpointsPerService + each;
    return `10.244.${(number >> 8) & 255}.${number & 255}`;
  });
  if (changed) addresses[2] = changed;
  informers.put(EndpointSlice, {
    metadata: { name: `s${index}`, labels: { 'kubernetes.io/service-name': `s${index}` } },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: 'n3' })),
  });
}

function start(signal: AbortSignal) {
  return startProxy(
    {
      nodeName: 'n2',
      clusterCidr: '10.244.0.0/16',
      serviceCidr: '10.96.0.0/12',
      ownServiceAddresses: [],
      informers,
      clock: systemClock,
      logger: silentLogger,
      metrics: new MetricsRegistry(),
      enter: node.enter,
    },
    signal,
  );
}

async function timed<T>(work: () => Promise<T>): Promise<[T, { ms: number; cpuMs: number }]> {
  const start = performance.now();
  const cpuStart = cpuMs();
  const result = await work();
  return [result, { ms: round(performance.now() - start), cpuMs: cpuMs() - cpuStart }];
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** Of this process and of those that it has waited for; see proc(5) for the fields. */
function cpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * (1000 / ticksPerSecond);
}
