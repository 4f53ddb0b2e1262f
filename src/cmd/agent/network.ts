/** The network of a node: addresses of pods, services, policies, load-balancer addresses and, when enabled, ingress. */
import { Node } from '../../api/resources.gen.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { createEventRecorder } from '../../client/events/event-recorder.ts';
import type { AgentConfig } from '../../host/processes/process-config.ts';
import type { Kubelet } from '../../kubelet/kubelet.ts';
import { startCni } from '../../network/cni/cni.ts';
import { startIngress } from '../../network/ingress/ingress.ts';
import { startAnnouncer } from '../../network/load-balancer/announcer.ts';
import { type Policies, startPolicy } from '../../network/policy/policy.ts';
import { type ProxyOptions, startProxy } from '../../network/proxy/proxy.ts';
import { startProxyServer } from '../../network/proxy/proxy-server.ts';

export interface NodeNetworkOptions extends Pick<ProxyOptions, 'informers' | 'clock' | 'logger' | 'metrics'> {
  random: Random;
  client: Client;
  config: AgentConfig;
  kubelet: Kubelet;
  /** Resolved when policies are in force. */
  policies: PendingPolicies;
}

/** What every part is given. */
type SharedOptions = Omit<ProxyOptions, 'serviceCidr' | 'ownServiceAddresses'> & {
  nodeAddress: string;
  clusterCidr: string;
};

/** Resolves when the network is set up, without ingress; see {@link startNodeIngress}. */
export async function startNodeNetwork(options: NodeNetworkOptions, signal: AbortSignal): Promise<void> {
  const { config, kubelet, policies } = options;
  const shared = sharedOptions(options);
  const policyOptions = {
    ...shared,
    dnsAddress: config.clusterDns,
    localPods: () => kubelet.pods.addressed(),
  };
  const cniOptions = {
    ...shared,
    configFolder: config.cniConfigFolder,
    pluginFolder: config.cniPluginFolder,
    leasesFolder: '/run/cni-addresses',
  };
  await Promise.all([
    startAnnouncer(shared, signal),
    startPolicy(policyOptions, signal).then((started) => policies.resolve(started)),
    startCni(cniOptions, signal),
    startServiceProxy(shared, config, signal),
  ]);
}

export async function startNodeIngress(options: NodeNetworkOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, logger, config } = options;
  const component = 'nginx-ingress-controller';
  const recorder = createEventRecorder({ client, clock, logger, component, signal });
  await startIngress({ ...sharedOptions(options), client, recorder, clusterDns: config.clusterDns }, signal);
}

function sharedOptions({ config, ...options }: NodeNetworkOptions): SharedOptions {
  const { nodeName, nodeAddress, podCidr } = config;
  return { ...options, nodeName, nodeAddress, clusterCidr: podCidr };
}

async function startServiceProxy(
  shared: SharedOptions,
  { nodeName, clusterDns, serviceCidr }: AgentConfig,
  signal: AbortSignal,
): Promise<void> {
  const proxy = await startProxy({ ...shared, serviceCidr, ownServiceAddresses: [clusterDns] }, signal);
  const nodes = shared.informers.of(Node);
  startProxyServer(
    { ...shared, now: shared.clock.now, health: proxy.health, node: () => nodes.get(nodeName) },
    signal,
  );
}

/** The rules of network policies, for pods that may start before what enforces them does. */
export class PendingPolicies {
  readonly #started = Promise.withResolvers<Policies>();
  #policies: Policies | undefined;

  resolve(policies: Policies): void {
    this.#policies = policies;
    this.#started.resolve(policies);
  }

  async inForce(): Promise<void> {
    const policies = await this.#started.promise;
    await policies.inForce();
  }

  problem(): string | undefined {
    return this.#policies ? this.#policies.problem() : 'network policies are not known yet';
  }
}
