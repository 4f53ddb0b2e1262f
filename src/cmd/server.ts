/** The server process of a cluster. Its only argument is the file with its configuration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKubernetesMetrics } from '../api/kubernetes-metrics.ts';
import { parseYamlStrictly } from '../api/schema/yaml.ts';
import { mastersGroup } from '../api/well-known.ts';
import type { Listener } from '../apiserver/http/listener.ts';
import { AuthorizationMetrics } from '../apiserver/metrics/authorization-metrics.ts';
import { defaultIssuer } from '../apiserver/security.ts';
import type { ApiServer } from '../apiserver/server.ts';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import type { CertificatePair } from '../base/pki.ts';
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
import { followAuthenticationFile } from './authentication-file.ts';
import { followAuthorizationFile } from './authorization-file.ts';
import { ensureClusterObjects, ensureJoinToken } from './cluster-objects.ts';
import { createControlPlane } from './control-plane.ts';
import { runUntilSignalled } from './lifetime.ts';
import { configFileArgument } from './load-only.ts';
import { renewServerCertificates } from './server-certificates.ts';

const config = readConfig<ServerConfig>(
  await configFileArgument(() =>
    Promise.all([
      import('../apiserver/registry/long-yaml-worker.ts'),
      import('../storage/sqlite/worker.ts'),
      import('../storage/etcd/etcd-store.ts'),
      import('../base/pki.ts'),
      import('./simulated-nodes.ts'),
    ]),
  ),
);
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
  // Read for every connection, so that renewed ones take effect.
  const toNodes = { ...readPair(config.pkiFolder, pkiFiles.kubeletClient), ca: clusterCa };
  const toAggregated = {
    ...readPair(config.pkiFolder, pkiFiles.frontProxyClient),
    ca: pem(`${pkiFiles.frontProxyAuthority}.crt`),
  };
  const metrics = createKubernetesMetrics();
  const authenticationFile = config.api?.authenticationConfigFile;
  const authentication =
    authenticationFile &&
    (await followAuthenticationFile(
      {
        file: authenticationFile,
        ownIssuers: [defaultIssuer],
        serverId: config.advertiseAddress,
        clock: systemClock,
        logger: logger.for('authentication'),
        metrics,
      },
      signal,
    ));
  const authorizationFile = config.api?.authorizationConfigFile;
  const authorizationMetrics = new AuthorizationMetrics(metrics);
  const authorization =
    authorizationFile &&
    (await followAuthorizationFile(
      {
        file: authorizationFile,
        serverId: config.advertiseAddress,
        clock: systemClock,
        random: systemRandom,
        logger: logger.for('authorization'),
        metrics,
        authorizationMetrics,
      },
      signal,
    ));
  const plane = await createControlPlane({
    store,
    clock: systemClock,
    random: systemRandom,
    logger,
    metrics,
    clusterCa,
    signingAuthority: readPair(config.pkiFolder, pkiFiles.authority),
    nodes: toNodes,
    frontProxy: toAggregated,
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
      ...(authentication && { authentication }),
      ...(authorization && { authorization }),
    },
    authorizationMetrics,
    ...limitsAndAudit(config.api ?? {}),
    ...('etcd' in config.store && {
      sharedStore: true,
      electAs: `${config.advertiseAddress}_${process.pid}`,
    }),
  });
  // The authority goes along: machines that join know only its pin.
  const withAuthority = ({ cert, key }: CertificatePair) => ({
    cert: `${cert.trimEnd()}\n${clusterCa}`,
    key,
  });
  const serverPair = withAuthority(readPair(config.pkiFolder, pkiFiles.server));
  const listeners: Listener[] = [];
  for (const { host, port } of config.listen) {
    listeners.push(await plane.api.listen({ host, port, ...serverPair, clientCa: clusterCa }));
    logger.info('listening', { host, port, sinceStartMs: Math.round(performance.now()) });
  }
  const renewing = renewServerCertificates(
    {
      pkiFolder: config.pkiFolder,
      clock: systemClock,
      random: systemRandom,
      logger,
      showToClients(pair) {
        const { cert, key } = withAuthority(pair);
        for (const listener of listeners) listener.setCertificate(cert, key);
      },
      showToNodes: (pair) => Object.assign(toNodes, pair),
      showToAggregated: (pair) => Object.assign(toAggregated, pair),
    },
    signal,
  );
  // After it listens: of a large store the controllers take a while to read everything.
  const working = plane.run(signal);
  const client = createClient(plane.api.localTransport({ name: 'system:wherry', groups: [mastersGroup] }));
  await ensureClusterObjects(client, { address: config.clusterDns, clusterDomain: config.clusterDomain });
  if (config.joinToken) await ensureJoinToken(client, config.joinToken);
  const simulated = config.simulatedNodes > 0 && runSimulated(plane.api, signal);
  const mirror =
    config.imageMirror && (await startMirror({ ...config.imageMirror, logger: logger.for('mirror') }));
  const supervised =
    config.supervisor && keepSupervisor(config.supervisor, { clock: systemClock, logger, signal });
  await Promise.all([working, renewing, simulated, supervised]);
  mirror?.close();
  await plane.api.close();
  await store.close();
});

/** A kubelet is much code, which a server without simulated nodes never runs. */
async function runSimulated(api: ApiServer, signal: AbortSignal): Promise<void> {
  const { runSimulatedNodes } = await import('./simulated-nodes.ts');
  await runSimulatedNodes(api, config, logger, signal);
}

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
  return parseSchedulerConfiguration(parseYamlStrictly(readFileSync(file, 'utf8')));
}
