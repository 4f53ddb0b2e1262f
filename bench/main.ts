/**
 * `npm run bench`: starts a cluster of its own, measures it and prints the figures as JSON. With `--kubeconfig FILE`
 * another cluster is measured too, in the same run, so that the two can be compared on a machine of whatever speed.
 *
 *   npm run bench -- [--kubeconfig FILE [--context NAME]] [--only api,pods,startup,memory] [--image NAME]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Namespace, ServiceAccount } from '../src/api/resources.gen.ts';
import { systemClock } from '../src/base/clock.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/create-client.ts';
import { type HttpTransportOptions, httpTransport } from '../src/client/http-transport.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { measureApi } from './api-load.ts';
import { measureMemory } from './memory.ts';
import { measurePods } from './pods.ts';

/** Idle processes look every 15 s whether there is memory to give back (src/base/idle-memory.ts). */
const idleAfterMs = 40_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
    only: { type: 'string', default: 'startup,memory,api,pods' },
    image: { type: 'string', default: 'wherry.local/pause:1' },
  },
});
const suites = new Set(values.only.split(','));
const figures: Record<string, unknown> = {};

const other = values.kubeconfig ? await loadKubeconfig(values.kubeconfig, values.context) : undefined;
const home = mkdtempSync(join(tmpdir(), 'wherry-bench-'));
const kubeconfig = join(home, 'kubeconfig');
const environment = { ...process.env, WHERRY_HOME: home, KUBECONFIG: kubeconfig };
try {
  figures.wherry = await measureOwn();
  if (other) figures.other = await measureCluster(other.connection);
} finally {
  wherry('delete');
  rmSync(home, { recursive: true, force: true });
}
console.log(JSON.stringify(figures, null, 2));

async function measureOwn(): Promise<Record<string, unknown>> {
  const own: Record<string, unknown> = {};
  const cold = timed(() => wherry('up'));
  if (suites.has('startup')) {
    wherry('down');
    own.startup = { coldSeconds: cold, warmSeconds: timed(() => wherry('up')) };
  }
  if (suites.has('memory')) {
    own.memoryAfterStartMebibytes = measureMemory(home);
    await systemClock.sleep(idleAfterMs);
    own.idleMemoryMebibytes = measureMemory(home);
  }
  const { connection } = await loadKubeconfig(kubeconfig);
  Object.assign(own, await measureCluster(connection));
  if (suites.has('memory')) own.memoryAfterLoadMebibytes = measureMemory(home);
  return own;
}

async function measureCluster(connection: HttpTransportOptions): Promise<Record<string, unknown>> {
  const measured: Record<string, unknown> = {};
  const transport = httpTransport(connection);
  const client = createClient(transport);
  const namespace = `bench-${process.pid}`;
  await client.create(Namespace, { metadata: { name: namespace }, spec: {} });
  try {
    await serviceAccountOf(client, namespace);
    if (suites.has('pods')) measured.pods = await measurePods(client, namespace, values.image);
    if (suites.has('api')) measured.api = await measureApi(connection, namespace);
  } finally {
    await client.delete(Namespace, { name: namespace });
    transport.close();
  }
  return measured;
}

/** Pods are refused until a controller has made the namespace's account. */
async function serviceAccountOf(client: Client, namespace: string): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  for await (const event of client.watch(ServiceAccount, { namespace, resourceVersion: '0' }, signal)) {
    if (event.object.metadata.name === 'default') return;
  }
  throw new Error(`namespace ${namespace} has no default service account after 30 s`);
}

function wherry(...args: string[]): void {
  const done = spawnSync(join(root, 'wherry'), args, { env: environment, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`wherry ${args.join(' ')} failed:\n${done.stdout}${done.stderr}`);
}

function timed(action: () => void): number {
  const startMs = performance.now();
  action();
  return Math.round(performance.now() - startMs) / 1000;
}
