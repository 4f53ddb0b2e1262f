/** The server process of a cluster. Its only argument is the file with its configuration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { MetricsRegistry } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import { createClient } from '../client/create-client.ts';
import { pkiFiles, readPair } from '../host/cluster-pki.ts';
import { readEncryptionKeys } from '../host/encryption-keys.ts';
import { startMirror } from '../host/images/mirror.ts';
import { readConfig, type ServerConfig } from '../host/process-config.ts';
import { keepSupervisor } from '../host/supervision/supervisor.ts';
import type { SchedulerConfiguration } from '../scheduler/configuration.ts';
import { parseSchedulerConfiguration } from '../scheduler/kube-scheduler-configuration.ts';
import { encryptedStore, reencryptAll } from '../storage/encrypted.ts';
import { createSqliteStore } from '../storage/sqlite/sqlite-store.ts';
import type { Store } from '../storage/store.ts';
import { limitsAndAudit, openIdConnectProviders } from './api-server-settings.ts';
import { ensureClusterObjects, ensureJoinToken } from './cluster-objects.ts';
import { createControlPlane } from './control-plane.ts';
import { runUntilSignalled } from './lifetime.ts';
import { runSimulatedNodes } from './simulated-nodes.ts';

const config = readConfig<ServerConfig>(process.argv[2]!);
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: config.logLevel,
  component: 'server',
});

await runUntilSignalled(logger, async (signal) => {
  const pem = (name: string) => readFileSync(join(config.pkiFolder, name), 'utf8');
  const clusterCa = pem(`${pkiFiles.authority}.crt`);
  const store = await openEncryptedStore();
  const plane = await createControlPlane({
    store,
    clock: systemClock,
    random: systemRandom,
    logger,
    metrics: new MetricsRegistry(),
    clusterCa,
    signingAuthority: readPair(config.pkiFolder, pkiFiles.authority),
    nodes: { ...readPair(config.pkiFolder, pkiFiles.kubeletClient), ca: clusterCa },
    frontProxy: {
      ...readPair(config.pkiFolder, pkiFiles.frontProxyClient),
      ca: pem(`${pkiFiles.frontProxyAuthority}.crt`),
    },
    podCidr: config.podCidr,
    ...(config.schedulerConfigFile && { scheduler: readSchedulerConfig(config.schedulerConfigFile) }),
    serviceCidr: config.serviceCidr,
    advertiseAddress: config.advertiseAddress,
    ...(config.loadBalancerPool && { loadBalancerPool: config.loadBalancerPool }),
    security: {
      serviceAccountKeys: {
        privateKey: pem(`${pkiFiles.tokenKey}.key`),
      },
      openIdConnect: openIdConnectProviders(config.api ?? {}),
    },
    ...limitsAndAudit(config.api ?? {}),
    ...('etcd' in config.store && {
      sharedStore: true,
      electAs: `${config.advertiseAddress}_${process.pid}`,
    }),
  });
  const working = plane.run(signal);
  // The authority goes along: machines that join know only its pin.
  const { cert, key } = readPair(config.pkiFolder, pkiFiles.server);
  const serverPair = { cert: `${cert.trimEnd()}\n${clusterCa}`, key };
  for (const { host, port } of config.listen) {
    await plane.api.listen({
      host,
      port,
      ...serverPair,
      clientCa: clusterCa,
    });
    logger.info('listening', { host, port, sinceStartMs: Math.round(performance.now()) });
  }
  const client = createClient(
    plane.api.localTransport({ name: 'system:wherry', groups: ['system:masters'] }),
  );
  await ensureClusterObjects(client, { address: config.clusterDns, clusterDomain: config.clusterDomain });
  if (config.joinToken) await ensureJoinToken(client, config.joinToken);
  const simulated =
    config.simulatedNodes > 0 ? runSimulatedNodes(plane.api, config, logger, signal) : undefined;
  const mirror =
    config.imageMirror && (await startMirror({ ...config.imageMirror, logger: logger.for('mirror') }));
  const supervised =
    config.supervisor && keepSupervisor(config.supervisor, { clock: systemClock, logger, signal });
  await Promise.all([working, simulated, supervised]);
  mirror?.close();
  await plane.api.close();
  await store.close();
});

/** Secrets never reach the disk as they are. After a key was added, what older keys wrote is written anew. */
async function openEncryptedStore(): Promise<Store> {
  const store = await openStore();
  const encryption = { keys: readEncryptionKeys(config.pkiFolder), prefixes: ['/registry/secrets/'] };
  if (encryption.keys.length > 1) await reencryptAll(store, encryption);
  return encryptedStore(store, encryption);
}

async function openStore(): Promise<Store> {
  if ('sqlite' in config.store) return await createSqliteStore({ path: config.store.sqlite });
  const { createEtcdStore, etcdEndpoints } = await import('../storage/etcd/etcd-store.ts');
  return await createEtcdStore({ ...etcdEndpoints(config.store), clock: systemClock });
}

function readSchedulerConfig(file: string): SchedulerConfiguration {
  return parseSchedulerConfiguration(parse(readFileSync(file, 'utf8')));
}
