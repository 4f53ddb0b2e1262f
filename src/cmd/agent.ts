/**
 * The agent process of a node: kubelet, pod network, service proxy and DNS. Runs within the node; its only argument is
 * the file with its configuration.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKubernetesMetrics } from '../api/component-base/kubernetes-metrics.ts';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { collectProcess } from '../base/process-metrics.ts';
import { systemRandom } from '../base/random.ts';
import { createEventRecorder } from '../client/events/event-recorder.ts';
import { type AgentConfig, readConfig } from '../host/processes/process-config.ts';
import { kubeletSettings, parseKubeletConfiguration } from '../kubelet/configuration/configuration.ts';
import { grpcRuntime } from '../kubelet/cri/grpc-runtime.ts';
import { startKubelet } from '../kubelet/kubelet.ts';
import { linuxMachine } from '../kubelet/linux/machine.ts';
import { startKubeletServer } from '../kubelet/server/server.ts';
import { startDns } from '../network/dns/dns.ts';
import { NodeCertificates } from './agent/certificates.ts';
import { connectAgent } from './agent/connections.ts';
import { PendingPolicies, startNodeIngress, startNodeNetwork } from './agent/network.ts';
import { runUntilSignalled } from './lifetime.ts';
import { configFileArgument } from './load-only.ts';

const kubeletPort = 10250;
const config = readConfig<AgentConfig>(await configFileArgument());
// Node calls its main thread otherwise, whatever the program is called.
writeFileSync('/proc/self/comm', 'kubelet');
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: config.logLevel,
  component: 'agent',
});
const common = { clock: systemClock, random: systemRandom, logger, metrics: createKubernetesMetrics() };

await runUntilSignalled(logger, async (signal) => {
  collectProcess(common.metrics);
  const authority = readFileSync(join(config.pkiFolder, 'ca.crt'), 'utf8');
  const certificates = new NodeCertificates({ ...common, ...config });
  const connections = connectAgent({ ...common, config, certificates }, signal);
  const { client, informers } = connections.node;
  const { network } = connections;
  const { clusterDns: address, clusterDomain, resolvConf } = config;
  // First of all: DNS clients are waiting, and this needs nothing of the node but its connection to the API.
  const nameServer = startDns(
    { ...common, informers: network.informers, address, clusterDomain, resolvConf },
    signal,
  );
  // Its failure is reported where it is awaited.
  nameServer.catch(() => undefined);
  const policies = new PendingPolicies();
  const { nodeName: host } = config;
  const recorder = createEventRecorder({ ...common, client, component: 'kubelet', host, signal });
  const kubelet = await startKubelet(
    { ...common, ...kubeletOptions(), client, informers, recorder, trafficRules: policies },
    signal,
  );
  await certificates.ensureServer(client, kubelet.started, signal);
  const server = await startKubeletServer(
    kubelet,
    {
      host: config.nodeAddress,
      port: kubeletPort,
      metrics: common.metrics,
      tls: { ...certificates.server(), clientCa: authority },
    },
    signal,
  );
  const rotated = {
    clientRenewed: () => connections.renew(),
    serverRenewed: () => server.showCertificate(certificates.server()),
  };
  await Promise.all([startNetwork(), certificates.rotate(client, rotated, signal), kubelet.stopped]);
  connections.close();

  async function startNetwork(): Promise<void> {
    const options = { ...common, ...network, config, kubelet, policies };
    await Promise.all([startNodeNetwork(options, signal), nameServer]);
    logger.info('the network of the node stands', { sinceStartMs: Math.round(performance.now()) });
    await startNodeIngress(options, signal);
  }
});

/** What the configuration says of the kubelet. */
function kubeletOptions() {
  const { nodeName, nodeAddress, clusterDns, clusterDomain, cgroupRoot, resolvConf } = config;
  const configuration = config.kubelet && parseKubeletConfiguration(config.kubelet);
  return {
    runtime: grpcRuntime(config.runtimeSocket),
    machine: linuxMachine({
      rootDir: '/var/lib/kubelet',
      podLogsDir: '/var/log/pods',
      imageDir: '/var/lib/containerd',
      cgroupRoot,
      resolvConf,
      podPidsMax: kubeletSettings(configuration).podPidsMax,
    }),
    nodeName,
    nodeIps: [nodeAddress],
    kubeletPort,
    clusterDns: [clusterDns],
    clusterDomain,
    ...(configuration && { configuration }),
  };
}
