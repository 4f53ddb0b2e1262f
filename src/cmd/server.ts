/** The server process of a cluster. Its only argument is the file with its configuration. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createKubernetesMetrics } from '../api/component-base/kubernetes-metrics.ts';
import { parseYamlStrictly } from '../api/schema/body/yaml.ts';
import { mastersGroup } from '../api/well-known.ts';
import type { Listener } from '../apiserver/http/listener.ts';
import { AuthorizationMetrics } from '../apiserver/metrics/authorization-metrics.ts';
import { defaultIssuer } from '../apiserver/security.ts';
import type { ApiServer } from '../apiserver/server.ts';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { CertificatePair } from '../base/x509/pki.ts';
import { createClient } from '../client/create-client.ts';
import { dataFolder } from '../host/data-folder.ts';
import { keepMirror } from '../host/images/mirror.ts';
import { readPair } from '../host/keys/cluster-pki.ts';
import { readEncryptionKeys } from '../host/keys/encryption-keys.ts';
import { pkiFiles } from '../host/keys/pki-files.ts';
import { keepLogsShort, logFoldersOf } from '../host/processes/log-limit.ts';
import { readConfig, type ServerConfig } from '../host/processes/process-config.ts';
import { keepSupervisor } from '../host/supervision/supervisor.ts';
import type { SchedulerConfiguration } from '../scheduler/configuration.ts';
import { parseSchedulerConfiguration } from '../scheduler/kube-scheduler-configuration.ts';
import { encryptedStore, reencryptAll } from '../storage/encrypted.ts';
import { createSqliteStore } from '../storage/sqlite/sqlite-store.ts';
import type { Store } from '../storage/store.ts';
import { runUntilSignalled } from './lifetime.ts';
import { configFileArgument } from './load-only.ts';
import { limitsAndAudit, openIdConnectProviders } from './server/api-server-settings.ts';
import { followAuthenticationFile } from './server/authentication-file.ts';
import { followAuthorizationFile } from './server/authorization-file.ts';
import { renewServerCertificates } from './server/certificates.ts';
import { ensureClusterObjects, ensureJoinToken } from './server/cluster-objects.ts';
import { type ControlPlane, createControlPlane } from './server/control-plane.ts';
import { keepIdentityLease } from './server/identity-lease.ts';
import { removeOldNodeRights } from './server/old-node-rights.ts';
import { untilWritten } from './server/until-written.ts';

const config = readConfig<ServerConfig>(
  await configFileArgument(() =>
    Promise.all([
      import('../apiserver/registry/conversion/long-yaml-worker.ts'),
      import('../storage/sqlite/worker.ts'),
      import('../storage/etcd/etcd-store.ts'),
      import('../base/x509/pki.ts'),
      import('./server/simulated-nodes.ts'),
    ]),
  ),
);
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: config.logLevel,
  component: 'server',
});

const metrics = createKubernetesMetrics();

/** Requests often come in bursts with pauses between them, and the later ones are served twice as fast. */
const keptFastMs = 10 * 60_000;

await runUntilSignalled(logger, serve, { keptFastMs });

async function serve(signal: AbortSignal): Promise<void> {
  const store = await openEncryptedStore();
  const shown = readShownCertificates();
  const plane = await openControlPlane(store, shown, signal);
  const listeners = await listen(plane.api);
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
      showToNodes: (pair) => Object.assign(shown.toNodes, pair),
      showToAggregated: (pair) => Object.assign(shown.toAggregated, pair),
    },
    signal,
  );
  // After it listens: of a large store the controllers take a while to read everything.
  const working = plane.run(signal);
  const ensured = untilWritten(() => ensureObjects(plane.api), { clock: systemClock, logger, signal });
  const identified = keepIdentity(plane.api, signal);
  const simulated = config.simulatedNodes > 0 && runSimulated(plane.api, signal);
  const mirrored =
    config.imageMirror &&
    keepMirror({ ...config.imageMirror, logger: logger.for('mirror') }, { clock: systemClock, signal });
  const supervised =
    config.supervisor && keepSupervisor(config.supervisor, { clock: systemClock, logger, signal });
  const shortened = config.dataPath && keepLogs(config.dataPath, signal);
  await Promise.all([working, renewing, ensured, identified, simulated, mirrored, supervised, shortened]);
  await plane.api.close();
  await store.close();
}

/** Also of the cluster's other processes. */
function keepLogs(dataPath: string, signal: AbortSignal): Promise<void> {
  const cluster = dataFolder(dataPath).cluster(config.clusterName);
  return keepLogsShort(() => logFoldersOf(cluster), { clock: systemClock, logger, signal });
}

function pem(name: string): string {
  return readFileSync(join(config.pkiFolder, name), 'utf8');
}

type ShownCertificates = Record<'toNodes' | 'toAggregated', CertificatePair & { ca: string }>;

/** Read for every connection, so that renewed ones take effect. */
function readShownCertificates(): ShownCertificates {
  const { kubeletClient, authority, frontProxyClient, frontProxyAuthority } = pkiFiles;
  return {
    toNodes: { ...readPair(config.pkiFolder, kubeletClient), ca: pem(`${authority}.crt`) },
    toAggregated: { ...readPair(config.pkiFolder, frontProxyClient), ca: pem(`${frontProxyAuthority}.crt`) },
  };
}

/** The authority goes along: machines that join know only its pin. */
function withAuthority({ cert, key }: CertificatePair): CertificatePair {
  return { cert: `${cert.trimEnd()}\n${pem(`${pkiFiles.authority}.crt`)}`, key };
}

async function openControlPlane(
  store: Store,
  shown: ShownCertificates,
  signal: AbortSignal,
): Promise<ControlPlane> {
  const authorizationMetrics = new AuthorizationMetrics(metrics);
  return await createControlPlane({
    store,
    clock: systemClock,
    random: systemRandom,
    logger,
    metrics,
    clusterCa: pem(`${pkiFiles.authority}.crt`),
    signingAuthority: readPair(config.pkiFolder, pkiFiles.authority),
    nodes: config.simulatedNodes > 0 ? 'simulated' : shown.toNodes,
    frontProxy: shown.toAggregated,
    podCidr: config.podCidr,
    ...(config.schedulerConfigFile && { scheduler: readSchedulerConfig(config.schedulerConfigFile) }),
    serviceCidr: config.serviceCidr,
    advertiseAddress: config.advertiseAddress,
    ...(config.loadBalancerPool && { loadBalancerPool: config.loadBalancerPool }),
    security: {
      serviceAccountKeys: { privateKey: pem(`${pkiFiles.tokenKey}.key`) },
      openIdConnect: openIdConnectProviders(config.api ?? {}),
      ...(await followAccessFiles(authorizationMetrics, signal)),
    },
    authorizationMetrics,
    ...limitsAndAudit(config.api ?? {}),
    ...('etcd' in config.store && {
      sharedStore: true,
      electAs: `${config.advertiseAddress}_${process.pid}`,
    }),
  });
}

/** The files that say who gets in, as far as the configuration names any. */
async function followAccessFiles(authorizationMetrics: AuthorizationMetrics, signal: AbortSignal) {
  const { authenticationConfigFile, authorizationConfigFile } = config.api ?? {};
  const common = { serverId: config.advertiseAddress, clock: systemClock, metrics };
  const authentication =
    authenticationConfigFile &&
    (await followAuthenticationFile(
      {
        ...common,
        file: authenticationConfigFile,
        ownIssuers: [defaultIssuer],
        logger: logger.for('authentication'),
      },
      signal,
    ));
  const authorization =
    authorizationConfigFile &&
    (await followAuthorizationFile(
      {
        ...common,
        file: authorizationConfigFile,
        random: systemRandom,
        logger: logger.for('authorization'),
        authorizationMetrics,
      },
      signal,
    ));
  return { ...(authentication && { authentication }), ...(authorization && { authorization }) };
}

async function listen(api: ApiServer): Promise<Listener[]> {
  const serverPair = withAuthority(readPair(config.pkiFolder, pkiFiles.server));
  const clientCa = pem(`${pkiFiles.authority}.crt`);
  const listeners: Listener[] = [];
  for (const { host, port } of config.listen) {
    listeners.push(await api.listen({ host, port, ...serverPair, clientCa }));
    logger.info('listening', { host, port, sinceStartMs: Math.round(performance.now()) });
  }
  return listeners;
}

/** What a cluster has from the start, and by what machines join it. */
async function ensureObjects(api: ApiServer): Promise<void> {
  const client = createClient(api.localTransport({ name: 'system:wherry', groups: [mastersGroup] }));
  await ensureClusterObjects(client, { address: config.clusterDns, clusterDomain: config.clusterDomain });
  // Agents of other machines may be older than this server; those of its own machine are started with it.
  if (config.joinToken) await ensureJoinToken(client, config.joinToken);
  else await removeOldNodeRights(client);
}

function keepIdentity(api: ApiServer, signal: AbortSignal): Promise<void> {
  const client = createClient(api.localTransport({ name: 'system:apiserver', groups: [mastersGroup] }));
  const { advertiseAddress: serverId } = config;
  return keepIdentityLease({ client, clock: systemClock, logger, serverId, hostname: hostname() }, signal);
}

/** A kubelet is much code, which a server without simulated nodes never runs. */
async function runSimulated(api: ApiServer, signal: AbortSignal): Promise<void> {
  const { runSimulatedNodes } = await import('./server/simulated-nodes.ts');
  await runSimulatedNodes(api, config, logger, signal);
}

/** Secrets never reach the disk unencrypted. After a key was added, values of older keys are rewritten. */
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
