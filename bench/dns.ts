/**
 * Questions a second that cluster DNS answers on one core, asked by another process over UDP. Prints JSON.
 * `npm run bench:dns`.
 */
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Namespace, Service } from '../src/api/resources.gen.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/logger.ts';
import { MetricsRegistry } from '../src/base/metrics.ts';
import { systemRandom } from '../src/base/random.ts';
import { startDns } from '../src/network/dns/dns.ts';
import { encodeQuery } from '../src/network/dns/message/message.ts';
import { RecordType } from '../src/network/dns/message/resource-record.ts';
import { createFakeInformers } from '../src/network/informers.fake.ts';

const questionsCount = 100_000;
const servicesCount = 1_000;
const atATime = 64;

const port = Number(process.argv[2]);
if (port) ask(port);
else await serve();

async function serve(): Promise<void> {
  const informers = createFakeInformers();
  informers.put(Namespace, { metadata: { name: 'default' }, spec: {} });
  for (let index = 0; index < servicesCount; index++) {
    const clusterIP = `10.96.${index >> 8}.${index & 255}`;
    informers.put(Service, { metadata: { name: `s${index}` }, spec: { clusterIP, ports: [{ port: 80 }] } });
  }
  const stop = new AbortController();
  const dns = await startDns(
    {
      address: '127.0.0.1',
      port: 0,
      clusterDomain: 'cluster.local',
      informers,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: new MetricsRegistry(),
    },
    stop.signal,
  );
  const before = process.cpuUsage();
  const asker = fork(new URL(import.meta.url), [String(dns.port)]);
  const [seconds] = (await once(asker, 'message')) as [number];
  const { user, system } = process.cpuUsage(before);
  const cpuSeconds = (user + system) / 1e6;
  console.log(
    JSON.stringify({
      questionsPerSecond: Math.round(questionsCount / seconds),
      questionsPerCpuSecond: Math.round(questionsCount / cpuSeconds),
    }),
  );
  stop.abort();
  asker.disconnect();
}

function ask(serverPort: number): void {
  const questions = Array.from({ length: servicesCount }, (_, index) =>
    encodeQuery(index, `s${index}.default.svc.cluster.local`, RecordType.A, 1232),
  );
  const socket = createSocket('udp4');
  let asked = 0;
  let answered = 0;
  const next = () => {
    if (asked < questionsCount) socket.send(questions[asked++ % servicesCount]!);
  };
  socket.connect(serverPort, '127.0.0.1', () => {
    const startMs = performance.now();
    socket.on('message', () => {
      next();
      if (++answered < questionsCount) return;
      socket.close();
      process.send!((performance.now() - startMs) / 1000);
    });
    for (let index = 0; index < atATime; index++) next();
  });
}
