/**
 * How many requests of `npm run bench` the platform itself allows: the same load on a server that does nothing
 * (bare-server.ts). No server on the same platform is faster, and none is beside the same clients on as many processors.
 *
 *   npm run bench:floor [-- --rounds 3]
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createAuthority, issueCertificate } from '../src/base/x509/pki.ts';
import { listLength, measureApi } from './api-load.ts';
import type { BareServerOptions } from './bare-server.ts';
import { medians } from './medians.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const authority = await createAuthority('floor-ca');
const issue = (usage: 'server' | 'client') =>
  issueCertificate(authority, { commonName: 'floor', usages: [usage], ipAddresses: ['127.0.0.1'] });
const workerData: BareServerOptions = {
  ...(await issue('server')),
  clientCa: authority.cert,
  listLength,
};
const server = new Worker(new URL('bare-server.ts', import.meta.url), { workerData });
try {
  const [port] = (await once(server, 'message')) as [number];
  const connection = { server: `https://127.0.0.1:${port}`, ca: authority.cert, ...(await issue('client')) };
  const rounds: object[] = [];
  for (let round = 0; round < Number(values.rounds); round++)
    rounds.push(await measureApi(connection, 'default', undefined));
  console.log(JSON.stringify({ ...medians(rounds), rounds }, null, 2));
} finally {
  await server.terminate();
}
