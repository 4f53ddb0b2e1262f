/** `wherry server`: the control plane of a cluster of several machines, in the foreground, as a service manager runs it. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { createFile, replaceFile } from '../../base/system/replace-file.ts';
import { authorityPin } from '../../base/x509/pki.ts';
import {
  defaultClusterDomain,
  defaultPodCidr,
  defaultServiceCidr,
} from '../../host/cluster/cluster-record.ts';
import { Failure } from '../../host/failure.ts';
import { ensureClusterPki, readPair } from '../../host/keys/cluster-pki.ts';
import { storeState } from '../../host/keys/kept-keys.ts';
import { pkiFiles } from '../../host/keys/pki-files.ts';
import { isPortFree } from '../../host/network/ports.ts';
import { clusterDnsAddress, kubernetesServiceAddress } from '../../host/network/service-range.ts';
import { formatJoinToken } from '../../host/node/join.ts';
import { fillModuleCache } from '../../host/processes/module-cache.ts';
import { type EtcdSettings, type ServerConfig, writeConfig } from '../../host/processes/process-config.ts';
import type { Store } from '../../storage/store.ts';
import { type Command, UsageError } from '../context.ts';
import { runForeground } from '../foreground.ts';
import { renderKubeconfig } from '../kubeconfig-file.ts';
import { stepsOf } from '../live-steps.ts';
import {
  apiServerDetails,
  apiServerFileOptions,
  apiServerOptions,
  apiServerSettings,
} from '../options/api-server-options.ts';
import { etcdTlsFiles, etcdTlsOptions } from '../options/etcd-options.ts';
import { parsePool, poolOption } from '../options/load-balancer-pool.ts';
import { checkMachineAddress, listenHosts } from '../options/machine-address.ts';
import { checkNamedFiles } from '../options/named-files.ts';
import { parseCount, parseOptions } from '../options/parse-options.ts';
import { shareServerKeys } from '../server-keys.ts';

const defaultPort = 6443;

export const server: Command = {
  summary: 'run the control plane of a cluster of several machines',
  usage:
    '[--address ADDRESS] [--port PORT] [--etcd-endpoints URL,URL [--token TOKEN]] [--pki FOLDER] [--load-balancer-pool FIRST-LAST] [--scheduler-config FILE] [--oidc-… --audit-… --request-timeout …]',
  details: [
    'Runs until it is stopped, and prints the commands by which other machines join.',
    '--address ADDRESS      by which nodes reach this machine; its first one unless said',
    '--etcd-endpoints URLS  store in etcd: several servers on one etcd are one cluster, any of which may die',
    '--etcd-cacert FILE --etcd-cert FILE --etcd-key FILE  for etcd behind TLS',
    '--token TOKEN          joins the servers that are on that etcd already; the first server makes and prints it',
    '--pki FOLDER           where keys and certificates are kept',
    '--load-balancer-pool FIRST-LAST  addresses on the link of the nodes, for services of type LoadBalancer',
    '--scheduler-config FILE  a KubeSchedulerConfiguration',
    ...apiServerDetails,
  ],
  async run(context, args) {
    const folder = join(context.data.path, 'server');
    const options = serverOptions(args, folder);
    const { address, port, pkiFolder, etcd, token } = options;
    if (!(await isPortFree(port)))
      throw new Failure(`port ${port} is taken by another program`, {
        advice: 'end that program, or choose another port with --port',
      });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const serverToken = etcd && (await shareKeys(etcd, { folder, pkiFolder, token }));
    await ensureClusterPki(
      pkiFolder,
      {
        addresses: [address],
        dnsNames: [hostname().toLowerCase()],
        serviceAddress: kubernetesServiceAddress(defaultServiceCidr),
      },
      // In etcd, the keys are beside what they protect.
      etcd ? 'in use' : storeState(storeFile(folder)),
    );
    const joinToken = ensureToken(join(folder, 'join-token'));
    const configFile = join(folder, 'config.json');
    writeConfig(configFile, { ...serverConfig(options, folder), joinToken });
    const url = `https://${address}:${port}`;
    const authority = readFileSync(join(pkiFolder, `${pkiFiles.authority}.crt`), 'utf8');
    const kubeconfig = join(folder, 'admin.kubeconfig');
    const entry = { name: 'wherry', server: url, authority, ...readPair(pkiFolder, pkiFiles.admin) };
    replaceFile(kubeconfig, renderKubeconfig(entry), 0o600);
    context.print(`kubectl: export KUBECONFIG=${kubeconfig}`);
    const agentToken = formatJoinToken({ pin: authorityPin(authority), token: joinToken });
    context.print(`to join another machine: wherry agent --server ${url} --token ${agentToken}`);
    if (etcd && serverToken)
      context.print(
        `to add another server: wherry server --etcd-endpoints ${etcd.etcd.join(',')} --token ${serverToken}`,
      );
    const steps = stepsOf(context);
    await fillModuleCache({ ...context, steps }, [context.programs.server]);
    return await runForeground(context, [context.programs.server, configFile]);
  },
};

const storeFile = (folder: string) => join(folder, 'wherry.db');

type ServerOptions = ReturnType<typeof serverOptions>;

/** @throws UsageError or Failure */
function serverOptions(args: readonly string[], folder: string) {
  const { values } = parseOptions(args, {
    address: { type: 'string' },
    port: { type: 'string' },
    'etcd-endpoints': { type: 'string' },
    token: { type: 'string' },
    ...poolOption,
    pki: { type: 'string' },
    'scheduler-config': { type: 'string' },
    ...etcdTlsOptions,
    ...apiServerOptions,
  });
  const address = values.address ?? firstOwnAddress();
  checkMachineAddress(address);
  const etcd = etcdSettings(values);
  if (values.token !== undefined && !etcd) throw new UsageError('--token needs --etcd-endpoints');
  checkNamedFiles(values, ['scheduler-config', ...Object.keys(etcdTlsOptions), ...apiServerFileOptions]);
  return {
    address,
    port: parseCount('--port', values.port) ?? defaultPort,
    pkiFolder: values.pki ?? join(folder, 'pki'),
    etcd,
    token: values.token,
    loadBalancerPool: parsePool(values['load-balancer-pool']),
    schedulerConfig: values['scheduler-config'],
    api: apiServerSettings(values),
  };
}

function serverConfig(options: ServerOptions, folder: string): Omit<ServerConfig, 'joinToken'> {
  const { address, port, pkiFolder, etcd, loadBalancerPool, schedulerConfig, api } = options;
  return {
    clusterName: 'wherry',
    listen: listenHosts(address).map((host) => ({ host, port })),
    advertiseAddress: address,
    pkiFolder,
    store: etcd ?? { sqlite: storeFile(folder) },
    serviceCidr: defaultServiceCidr,
    podCidr: defaultPodCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns: clusterDnsAddress(defaultServiceCidr),
    simulatedNodes: 0,
    ...(loadBalancerPool && { loadBalancerPool }),
    ...(schedulerConfig && { schedulerConfigFile: resolve(schedulerConfig) }),
    ...(api && { api }),
    logLevel: 'info',
  };
}

interface EtcdOptions {
  'etcd-endpoints'?: string | undefined;
  'etcd-cacert'?: string | undefined;
  'etcd-cert'?: string | undefined;
  'etcd-key'?: string | undefined;
}

/** @throws UsageError */
function etcdSettings(values: EtcdOptions): EtcdSettings | undefined {
  const etcd = values['etcd-endpoints']?.split(',');
  const tls = etcdTlsFiles(values);
  if (tls && !etcd) throw new UsageError('--etcd-cacert, --etcd-cert and --etcd-key need --etcd-endpoints');
  return etcd && { etcd, ...(tls && { tls }) };
}

async function shareKeys(
  etcd: EtcdSettings,
  options: { folder: string; pkiFolder: string; token: string | undefined },
): Promise<string | undefined> {
  const { folder, pkiFolder, token } = options;
  const { createEtcdStore, etcdEndpoints } = await import('../../storage/etcd/etcd-store.ts');
  let store: Store;
  try {
    store = await createEtcdStore({ ...etcdEndpoints(etcd), clock: systemClock });
  } catch (cause) {
    throw new Failure(`etcd at ${etcd.etcd.join(', ')} does not answer`, {
      cause,
      advice: 'check the addresses, that etcd runs, and the files for TLS',
    });
  }
  try {
    const tokenFile = join(folder, 'server-token');
    return await shareServerKeys({ store, pkiFolder, tokenFile, ...(token !== undefined && { token }) });
  } finally {
    await store.close();
  }
}

/** The token in the file, which is created if it does not exist. @throws Failure when it holds something else */
function ensureToken(file: string): string {
  if (!existsSync(file)) {
    const letters = randomBytes(11).toString('hex');
    createFile(file, `${letters.slice(0, 6)}.${letters.slice(6, 22)}`, 0o600);
  }
  const token = readFileSync(file, 'utf8').trim();
  if (/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(token)) return token;
  throw new Failure(`${file} holds no token for joining`, {
    advice: 'remove it: the next start makes another token, and machines that have joined need none',
  });
}

function firstOwnAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found) return found.address;
  throw new Failure('this machine has no address', { advice: 'give it one, or choose one with --address' });
}
