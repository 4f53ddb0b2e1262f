/** A client with the rights of the cluster's administrator. */
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import { httpTransport } from '../client/transport/http-transport.ts';
import { loadClusterRecord, noSuchCluster } from '../host/cluster/cluster-record.ts';
import { adminEntry } from './cluster-kubeconfig.ts';
import type { CliContext } from './context.ts';

export type AdminClient = Client & { close(): void };

export function connectAsAdmin(context: CliContext, cluster: string): AdminClient {
  const folder = context.data.cluster(cluster);
  const record = loadClusterRecord(folder);
  if (!record) throw noSuchCluster(context.data, cluster);
  const { server, authority, cert, key } = adminEntry(folder, record);
  const transport = httpTransport({ server, ca: authority, cert, key, userAgent: 'wherry' });
  return { ...createClient(transport), close: () => transport.close() };
}
