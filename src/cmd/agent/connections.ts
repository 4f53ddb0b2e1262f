/**
 * How an agent reaches the API: as the node, which sees itself and its pods, for the kubelet; and as the account of the
 * nodes' network, which sees what is the same on every node, for what carries traffic.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Node, Pod, Service } from '../../api/resources.gen.ts';
import { nodeNetworkAccount } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import { accountToken } from '../../client/account-token.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createInformerFactory, dropManagedFields } from '../../client/informers/informer-factory.ts';
import {
  type HttpTransport,
  type HttpTransportOptions,
  httpTransport,
} from '../../client/transport/http-transport.ts';
import { measuredTransport } from '../../client/transport/measured-transport.ts';
import type { AgentConfig } from '../../host/processes/process-config.ts';
import type { NodeCertificates } from './certificates.ts';
import { failoverTransport } from './failover-transport.ts';
import { followServers, readKnownServers } from './server-list.ts';

export interface AgentConnectionOptions {
  config: AgentConfig;
  certificates: NodeCertificates;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
}

export interface AgentConnection {
  client: Client;
  informers: InformerFactory;
}

export interface AgentConnections {
  node: AgentConnection;
  network: AgentConnection;
  /** Shows the node's new certificate. */
  renew(): void;
  close(): void;
}

export function connectAgent(options: AgentConnectionOptions, signal: AbortSignal): AgentConnections {
  const { config, certificates, clock, logger } = options;
  const ca = readFileSync(join(config.pkiFolder, 'ca.crt'), 'utf8');
  const serverList = { configured: config.servers, folder: config.pkiFolder, logger };
  const servers = readKnownServers(serverList);
  const connect = (userAgent: string, credentials: () => Partial<HttpTransportOptions>) =>
    failoverTransport(servers, (server) =>
      measuredTransport(
        httpTransport({ server, ca, ...credentials(), userAgent }),
        new URL(server).host,
        options,
      ),
    );
  const nodeTransport = connect('kubelet', () => certificates.client());
  const client = createClient(nodeTransport, { fieldManager: 'kubelet' });
  const common = { ...options, signal, transform: dropManagedFields };
  const node = { client, informers: createInformerFactory(client, common) };

  const token = accountToken(client, nodeNetworkAccount, clock);
  const bearerToken = () => token.get();
  const networkTransport = connect('kube-proxy', () => ({ bearerToken }));
  const networkClient = createClient(
    { ...networkTransport, send: (request) => noticingRefusal(networkTransport, request, token.forget) },
    { fieldManager: 'kube-proxy' },
  );
  const informers = sharing(node.informers, createInformerFactory(networkClient, common));
  followServers(informers, {
    ...serverList,
    changed(found) {
      logger.info('there are other servers', { servers: found });
      nodeTransport.follow(found);
      networkTransport.follow(found);
    },
  });
  return {
    node,
    network: { client: networkClient, informers },
    renew: () => nodeTransport.renew(),
    close() {
      nodeTransport.close();
      networkTransport.close();
    },
  };
}

/** An account that was recreated has other tokens. */
async function noticingRefusal(
  transport: Pick<HttpTransport, 'send'>,
  request: Parameters<HttpTransport['send']>[0],
  refused: () => void,
) {
  const answer = await transport.send(request);
  if (answer.status === 401) refused();
  return answer;
}

/** What the kubelet watches as well is watched once. */
function sharing(node: InformerFactory, network: InformerFactory): InformerFactory {
  return {
    of(type, filter) {
      const isOwn = [Pod, Node].some((own) => own.plural === type.plural) && filter?.fieldSelector;
      return (isOwn || type.plural === Service.plural ? node : network).of(type, filter);
    },
    async synced() {
      await Promise.all([node.synced(), network.synced()]);
    },
    until: (signal) => sharing(node.until(signal), network.until(signal)),
  };
}
