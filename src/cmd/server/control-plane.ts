/** API server, controllers and scheduler in one process, talking to each other without sockets. */

import { authenticatedGroup, mastersGroup } from '../../api/well-known.ts';
import type { UserInfo } from '../../apiserver/request.ts';
import { type ApiServer, createApiServer } from '../../apiserver/server.ts';
import type { ApiServerOptions } from '../../apiserver/server-options.ts';
import type { CertificatePair } from '../../base/x509/pki.ts';
import { createClient } from '../../client/create-client.ts';
import { createEventRecorder } from '../../client/events/event-recorder.ts';
import { createInformerFactory } from '../../client/informers/informer-factory.ts';
import { findVacancy, runWhileLeading } from '../../client/leader-election.ts';
import { measuredTransport } from '../../client/transport/measured-transport.ts';
import { startControllers } from '../../controllers/start.ts';
import type { SchedulerConfiguration } from '../../scheduler/configuration.ts';
import { startScheduler } from '../../scheduler/scheduler.ts';

export interface ControlPlaneOptions extends ApiServerOptions {
  /** Profiles of the scheduler; upstream's defaults when absent. */
  scheduler?: SchedulerConfiguration;
  /** PEM of the cluster's authority. */
  clusterCa: string;
  podCidr: string;
  /** Addresses for services of type LoadBalancer. */
  loadBalancerPool?: { first: string; last: string };
  /** Signs approved certificate requests. */
  signingAuthority?: CertificatePair;
  /** Names this process among several control planes of one cluster; without it there is only this one. */
  electAs?: string;
}

export interface ControlPlane {
  api: ApiServer;
  /** Starts controllers and scheduler; resolves when the signal has aborted and they have ended. */
  run(signal: AbortSignal): Promise<void>;
}

interface Part {
  name: string;
  /** Resolves when the signal has aborted and the part has ended. */
  run(signal: AbortSignal): Promise<void>;
}

const nodeMaskSize = 24;

export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const api = await createApiServer(options);
  const { electAs } = options;
  const parts: readonly Part[] = [
    { name: 'controller-manager', run: (signal) => runControllers(api, options, signal) },
    { name: 'scheduler', run: (signal) => runScheduler(api, options, signal) },
  ];
  return {
    api,
    async run(signal) {
      await Promise.all(
        parts.map((part) =>
          electAs === undefined
            ? runAlone(api, part, signal)
            : runElected(api, part, { ...options, identity: electAs }, signal),
        ),
      );
    },
  };
}

async function runAlone(api: ApiServer, { name, run }: Part, signal: AbortSignal): Promise<void> {
  let isRunning = true;
  api.components.add({ name, check: () => (isRunning ? undefined : 'it does not run') });
  try {
    await run(signal);
  } finally {
    isRunning = false;
  }
}

function runElected(
  api: ApiServer,
  part: Part,
  { clock, random, logger, metrics, identity }: ControlPlaneOptions & { identity: string },
  signal: AbortSignal,
): Promise<void> {
  const name = `kube-${part.name}`;
  const client = createClient(api.localTransport(componentUser(name)));
  const lease = { namespace: 'kube-system', name };
  const election = { client, clock, random, metrics, lease, logger: logger.for(name), identity };
  api.components.add({ name: part.name, check: () => findVacancy(election) });
  return runWhileLeading(election, (term) => part.run(term), signal);
}

async function runControllers(
  api: ApiServer,
  options: ControlPlaneOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clusterCa, podCidr, loadBalancerPool, signingAuthority } = options;
  const { serviceAccounts } = api;
  const environment = componentEnvironment(api, options, 'kube-controller-manager', signal);
  await startControllers(
    environment,
    {
      clusterCa,
      nodeIpam: { clusterCidr: podCidr, nodeMaskSize },
      ...(signingAuthority && { signingAuthority }),
      ...(serviceAccounts && { issueSecretToken: (...about) => serviceAccounts.issueForSecret(...about) }),
      ...(loadBalancerPool && { loadBalancerPool: [loadBalancerPool] }),
    },
    signal,
  );
}

async function runScheduler(
  api: ApiServer,
  options: ControlPlaneOptions,
  signal: AbortSignal,
): Promise<void> {
  const environment = componentEnvironment(api, options, 'kube-scheduler', signal);
  const { scheduler: configuration } = options;
  await startScheduler({ ...environment, ...(configuration && { configuration }) }, signal);
}

function componentEnvironment(
  api: ApiServer,
  options: ControlPlaneOptions,
  name: string,
  signal: AbortSignal,
) {
  const { clock, random, metrics } = options;
  const logger = options.logger.for(name);
  const transport = measuredTransport(api.localTransport(componentUser(name)), 'localhost', options);
  const client = createClient(transport, { fieldManager: name });
  const informers = createInformerFactory(client, { clock, random, logger, signal });
  const recorder = createEventRecorder({ client, clock, logger, component: name, signal });
  return { client, informers, clock, random, logger, metrics, recorder };
}

function componentUser(name: string): UserInfo {
  return { name: `system:${name}`, groups: [mastersGroup, authenticatedGroup] };
}
