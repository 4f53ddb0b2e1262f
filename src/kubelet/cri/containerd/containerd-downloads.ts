/** What containerd is downloading (containerd.services.content.v1), which CRI does not tell. */
import type { Client } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { callContainerd } from './containerd-call.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });

const root = protobuf.Root.fromJSON({
  nested: {
    Status: { fields: { ref: field('string', 3), offset: field('int64', 4), total: field('int64', 5) } },
    Request: { fields: { filters: field('string', 1, 'repeated') } },
    Response: { fields: { statuses: field('Status', 1, 'repeated') } },
  },
});
const listStatuses = {
  path: '/containerd.services.content.v1.Content/ListStatuses',
  request: root.lookupType('Request'),
  response: root.lookupType('Response'),
};

/** A layer, or another part of an image, that has not arrived completely. */
export interface Download {
  ref: string;
  receivedBytes: number;
  totalBytes: number;
}

export async function listDownloads(client: Client): Promise<Download[]> {
  const { statuses } = await callContainerd<{ statuses: { ref: string; offset: number; total: number }[] }>(
    client,
    listStatuses,
    {},
  );
  return statuses.map(({ ref, offset, total }) => ({ ref, receivedBytes: offset, totalBytes: total }));
}
