/**
 * containerd's leases (containerd.services.leases.v1), on the socket that also serves CRI. Each operation holds its
 * resources by a lease; those of an operation interrupted by the end of containerd keep layers and content from being
 * collected for a day.
 */
import { stat } from 'node:fs/promises';
import type { Client } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { type ContainerdMethod, callContainerd } from './containerd-call.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });

const labels: protobuf.IMapField = { keyType: 'string', type: 'string', id: 3 };

const root = protobuf.Root.fromJSON({
  nested: {
    Timestamp: { fields: { seconds: field('int64', 1), nanos: field('int32', 2) } },
    Lease: {
      fields: {
        id: field('string', 1),
        createdAt: field('Timestamp', 2),
        labels,
      },
    },
    ListRequest: { fields: { filters: field('string', 1, 'repeated') } },
    ListResponse: { fields: { leases: field('Lease', 1, 'repeated') } },
    DeleteRequest: { fields: { id: field('string', 1), sync: field('bool', 2) } },
    Empty: { fields: {} },
  },
});

const methodOf = (name: string, request: string, response: string): ContainerdMethod => ({
  path: `/containerd.services.leases.v1.Leases/${name}`,
  request: root.lookupType(request),
  response: root.lookupType(response),
});
const list = methodOf('List', 'ListRequest', 'ListResponse');
const remove = methodOf('Delete', 'DeleteRequest', 'Empty');

/** Leases that expire belong to an operation; others were made to last. */
const expiryLabel = 'containerd.io/gc.expire';

interface Lease {
  id: string;
  createdAt: { seconds: number; nanos: number } | null;
  labels: Record<string, string>;
}

/**
 * Ends the leases of operations that began before containerd started, and has it collect what they held. Returns how
 * many. `socketPath`: containerd recreates its socket when it starts.
 */
export async function endAbandonedLeases(client: Client, socketPath: string): Promise<number> {
  const { mtimeMs: startedMs } = await stat(socketPath);
  const { leases } = await callContainerd<{ leases: Lease[] }>(client, list, {});
  const abandoned = leases.filter(
    ({ createdAt, labels }) =>
      labels[expiryLabel] !== undefined &&
      createdAt !== null &&
      createdAt.seconds * 1000 + createdAt.nanos / 1e6 < startedMs,
  );
  for (const [index, { id }] of abandoned.entries())
    await callContainerd(client, remove, { id, sync: index === abandoned.length - 1 });
  return abandoned.length;
}
