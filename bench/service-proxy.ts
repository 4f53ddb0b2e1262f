/**
 * The service proxy with 10,000 services and 50,000 endpoints, on the kernel's own nftables in a namespace made for it:
 * milliseconds to load all, for one changed endpoint, and to take over the rules of a former process. Prints JSON.
 */
import { EndpointSlice, Service } from '../src/api/resources.gen.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/logger.ts';
import { MetricsRegistry } from '../src/base/metrics.ts';
import { createFakeInformers } from '../src/network/fake-informers.ts';
import { startProxy } from '../src/network/proxy/proxy.ts';
import { TestNetwork } from '../src/network/test-network.ts';

const servicesCount = 10_000;
const endpointsPerService = 5;
const changesCount = 100;

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
const [proxy, loadMs] = await timed(() => start(first.signal));
const changes: number[] = [];
for (let change = 1; change <= changesCount; change++) {
  const [, ms] = await timed(() => {
    putSlice(change * 7, `10.245.0.${change}`);
    return proxy.settled();
  });
  changes.push(ms);
}
first.abort();
const second = new AbortController();
const [, adoptMs] = await timed(() => start(second.signal));
second.abort();
changes.sort((a, b) => a - b);
const round = (ms: number) => Math.round(ms * 10) / 10;
console.log(
  JSON.stringify({
    elements: proxy.elementCount,
    loadMs: round(loadMs),
    oneEndpointMs: { median: round(changes[changesCount / 2]!), p95: round(changes[changesCount * 0.95]!) },
    adoptMs: round(adoptMs),
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
      run: node.run,
    },
    signal,
  );
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}
