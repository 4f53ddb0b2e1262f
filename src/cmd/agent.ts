/**
 * The agent process of a node: kubelet, pod network, service proxy and DNS. Runs within the node; its only argument is
 * the file with its configuration.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKubernetesMetrics } from '../api/kubernetes-metrics.ts';
import { Node } from '../api/resources.gen.ts';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { collectProcess } from '../base/process-metrics.ts';
import { systemRandom } from '../base/random.ts';
import { createClient } from '../client/create-client.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import { httpTransport } from '../client/http-transport.ts';
import { createInformerFactory, dropManagedFields } from '../client/informer-factory.ts';
import { measuredTransport } from '../client/measured-transport.ts';
import { certificateMetrics } from '../host/certificate-metrics.ts';
import { renewUntilDone, rotateCertificate } from '../host/certificate-rotation.ts';
import { readPair } from '../host/cluster-pki.ts';
import { isGood, requestCertificate } from '../host/join.ts';
import { type AgentConfig, readConfig } from '../host/process-config.ts';
import { kubeletSettings, parseKubeletConfiguration } from '../kubelet/configuration.ts';
import { grpcRuntime } from '../kubelet/cri/grpc-runtime.ts';
import { startKubelet } from '../kubelet/kubelet.ts';
import { linuxMachine } from '../kubelet/linux/machine.ts';
import { startKubeletServer } from '../kubelet/server/server.ts';
import { startCni } from '../network/cni/cni.ts';
import { startDns } from '../network/dns/dns.ts';
import { startIngress } from '../network/ingress/ingress.ts';
import { startAnnouncer } from '../network/load-balancer/announcer.ts';
import { type Policies, startPolicy } from '../network/policy/policy.ts';
import { type ProxyOptions, startProxy } from '../network/proxy/proxy.ts';
import { startProxyServer } from '../network/proxy/proxy-server.ts';
import { failoverTransport } from './failover-transport.ts';
import { runUntilSignalled } from './lifetime.ts';
import { configFileArgument } from './load-only.ts';
import { followServers, readKnownServers } from './server-list.ts';

const kubeletPort = 10250;
/** What every part of the node's network is given. */
type NetworkOptions = Omit<ProxyOptions, 'serviceCidr' | 'ownServiceAddresses'> & {
  nodeAddress: string;
  clusterCidr: string;
};
/** File names of the certificates that the node shows: as a client, and as a server. */
const clientPair = 'kubelet-client';
const serverPair = 'kubelet-server';
const config = readConfig<AgentConfig>(await configFileArgument());
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: config.logLevel,
  component: 'agent',
});

await runUntilSignalled(logger, async (signal) => {
  const { nodeName, nodeAddress, clusterDomain } = config;
  const configuration = config.kubelet && parseKubeletConfiguration(config.kubelet);
  const authority = readFileSync(join(config.pkiFolder, 'ca.crt'), 'utf8');
  const common = { clock: systemClock, random: systemRandom, logger, metrics: createKubernetesMetrics() };
  collectProcess(common.metrics);
  const { pkiFolder } = config;
  const certificateFile = (pair: string) => join(pkiFolder, `${pair}.crt`);
  const files = { client: certificateFile(clientPair), server: certificateFile(serverPair) };
  const renewals = certificateMetrics(common.metrics, files, systemClock);
  const transport = failoverTransport(readKnownServers(pkiFolder, config.servers), (server) =>
    measuredTransport(
      httpTransport({ server, ca: authority, ...readPair(pkiFolder, clientPair), userAgent: 'kubelet' }),
      new URL(server).host,
      common,
    ),
  );
  const client = createClient(transport, { fieldManager: 'kubelet' });
  const informers = createInformerFactory(client, { ...common, signal, transform: dropManagedFields });
  followServers(informers, {
    told: config.servers,
    folder: pkiFolder,
    changed(servers) {
      logger.info('there are other servers', { servers });
      transport.follow(servers);
    },
  });
  // First of all: whoever asks for a name meanwhile waits, and this needs nothing of the node but its connection to the API.
  const nameServer = startDns(
    {
      ...common,
      informers,
      address: config.clusterDns,
      clusterDomain: config.clusterDomain,
      resolvConf: config.resolvConf,
    },
    signal,
  );
  // Who waits for it hears of the failure.
  nameServer.catch(() => undefined);
  const policies = Promise.withResolvers<Policies>();
  let startedPolicies: Policies | undefined;
  const runtime = grpcRuntime(config.runtimeSocket);
  const kubelet = await startKubelet(
    {
      ...common,
      client,
      informers,
      runtime,
      machine: linuxMachine({
        rootDir: '/var/lib/kubelet',
        podLogsDir: '/var/log/pods',
        imageDir: '/var/lib/containerd',
        cgroupRoot: config.cgroupRoot,
        resolvConf: config.resolvConf,
        podPidsMax: kubeletSettings(configuration).podPidsMax,
      }),
      nodeName,
      nodeIps: [nodeAddress],
      kubeletPort,
      recorder: createEventRecorder({ ...common, client, component: 'kubelet', host: nodeName, signal }),
      clusterDns: [config.clusterDns],
      clusterDomain,
      ...(configuration && { configuration }),
      trafficRules: {
        inForce: async () => await (await policies.promise).inForce(),
        problem: () => startedPolicies?.problem() ?? 'network policies are not known yet',
      },
    },
    signal,
  );
  await ensureServingCertificate();
  const server = await startKubeletServer(
    kubelet,
    {
      host: nodeAddress,
      port: kubeletPort,
      metrics: common.metrics,
      tls: { ...readPair(pkiFolder, serverPair), clientCa: authority },
    },
    signal,
  );
  const network = startNetwork();
  await Promise.all([network, rotateCertificates(), kubelet.stopped]);
  transport.close();

  /** Machines that joined have none at first; it is asked for when the node's addresses are known. */
  async function ensureServingCertificate(): Promise<void> {
    if (isGood(pkiFolder, serverPair)) return;
    await kubelet.started;
    await renewUntilDone({ ...common, file: files.server, renew: requestServingCertificate }, signal);
    signal.throwIfAborted();
  }

  function requestServingCertificate(): Promise<void> {
    const request = requestCertificate(client, {
      folder: pkiFolder,
      name: serverPair,
      signerName: 'kubernetes.io/kubelet-serving',
      usage: 'server auth',
      nodeName,
      ipAddresses: [nodeAddress],
    });
    return renewals.server(request);
  }

  function requestClientCertificate(): Promise<void> {
    const request = requestCertificate(client, {
      folder: pkiFolder,
      name: clientPair,
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usage: 'client auth',
      nodeName,
    });
    return renewals.client(request);
  }

  async function rotateCertificates(): Promise<void> {
    const rotate = (file: string, renew: () => Promise<void>) =>
      rotateCertificate({ ...common, file, renew }, signal);
    await Promise.all([
      rotate(files.client, async () => {
        await requestClientCertificate();
        transport.renew();
      }),
      rotate(files.server, async () => {
        await requestServingCertificate();
        server.showCertificate(readPair(pkiFolder, serverPair));
      }),
    ]);
  }

  async function startServiceProxy(shared: NetworkOptions): Promise<void> {
    const { clusterDns, serviceCidr } = config;
    const proxy = await startProxy({ ...shared, serviceCidr, ownServiceAddresses: [clusterDns] }, signal);
    const nodes = informers.of(Node);
    startProxyServer(
      { ...shared, now: systemClock.now, health: proxy.health, node: () => nodes.get(nodeName) },
      signal,
    );
  }

  async function startNetwork(): Promise<void> {
    const ingressRecorder = createEventRecorder({
      ...common,
      client,
      component: 'nginx-ingress-controller',
      signal,
    });
    const shared: NetworkOptions = {
      ...common,
      nodeName,
      nodeAddress,
      informers,
      clusterCidr: config.podCidr,
    };
    await Promise.all([
      startAnnouncer(shared, signal),
      startPolicy(
        { ...shared, dnsAddress: config.clusterDns, localPods: () => kubelet.pods.addressed() },
        signal,
      ).then((started) => {
        startedPolicies = started;
        policies.resolve(started);
      }),
      startCni(
        { ...shared, configFolder: config.cniConfigFolder, leasesFolder: '/run/cni-addresses' },
        signal,
      ),
      startServiceProxy(shared),
      nameServer,
    ]);
    logger.info('the network of the node stands', { sinceStartMs: Math.round(performance.now()) });
    await startIngress(
      { ...shared, client, recorder: ingressRecorder, clusterDns: config.clusterDns },
      signal,
    );
  }
});
