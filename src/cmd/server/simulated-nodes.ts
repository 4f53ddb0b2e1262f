/** Nodes that exist in this process only: real kubelets over a simulated runtime and machine. */
import { createKubernetesMetrics } from '../../api/component-base/kubernetes-metrics.ts';
import { Pod } from '../../api/resources.gen.ts';
import { authenticatedGroup, mastersGroup } from '../../api/well-known.ts';
import type { ApiServer } from '../../apiserver/server.ts';
import { systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../client/create-client.ts';
import { createEventRecorder } from '../../client/events/event-recorder.ts';
import { createInformerFactory } from '../../client/informers/informer-factory.ts';
import type { ServerConfig } from '../../host/processes/process-config.ts';
import { behaviourIn } from '../../kubelet/cri/simulated/simulated-behaviour.ts';
import { simulatedRuntime } from '../../kubelet/cri/simulated/simulated-runtime.ts';
import { startKubelet } from '../../kubelet/kubelet.ts';
import { simulatedMachine } from '../../kubelet/simulated-machine.ts';

/** What a simulated node says it has. */
const nodeSize = { cpuCores: 8, memoryBytes: 32 * 1024 ** 3 };
const podsMax = 110;

/** From a range reserved for benchmarks. Nothing is ever sent to them. */
const nodeAddress = (index: number) => `198.18.${Math.floor(index / 250)}.${(index % 250) + 1}`;

export async function runSimulatedNodes(
  api: ApiServer,
  config: Pick<ServerConfig, 'simulatedNodes' | 'clusterName' | 'clusterDns' | 'clusterDomain'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const user = { name: 'system:simulated-nodes', groups: [mastersGroup, authenticatedGroup] };
  const client = createClient(api.localTransport(user), { fieldManager: 'kubelet' });
  const informers = createInformerFactory(client, {
    clock: systemClock,
    random: systemRandom,
    logger,
    signal,
  });
  const kubelets = Array.from({ length: config.simulatedNodes }, (_, index) => {
    const nodeName = index === 0 ? config.clusterName : `${config.clusterName}-${index + 1}`;
    const common = { clock: systemClock, random: systemRandom };
    const pods = informers.of(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    const runtime = simulatedRuntime({
      ...common,
      behaviour: (container, { metadata }) =>
        behaviourIn(pods.get(`${metadata.namespace}/${metadata.name}`), container),
    });
    return startKubelet(
      {
        ...common,
        client,
        informers,
        runtime,
        machine: simulatedMachine({ runtime, ...nodeSize }),
        nodeName,
        nodeIps: [nodeAddress(index)],
        logger,
        metrics: createKubernetesMetrics(),
        recorder: createEventRecorder({
          client,
          clock: systemClock,
          logger,
          component: 'kubelet',
          host: nodeName,
          signal,
        }),
        clusterDns: [config.clusterDns],
        clusterDomain: config.clusterDomain,
        configuration: { maxPods: podsMax },
      },
      signal,
    );
  });
  for (const kubelet of await Promise.all(kubelets)) await kubelet.stopped;
}
