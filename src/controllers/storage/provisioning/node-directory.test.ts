import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Client } from '../../../client/client.ts';
import { onNodeDirectory } from './node-directory.ts';

test('a node that is not ready is not dialled for a directory', async () => {
  const dialled: string[] = [];
  const client = sparse<Client>({ raw: async (_method: string, path: string) => void dialled.push(path) });
  const ask = async (name: string, ready: string) => {
    const status = {
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      conditions: [{ type: 'Ready', status: ready }],
    };
    const { signal } = new AbortController();
    const node = sparse<Node>({ metadata: { name }, status });
    await onNodeDirectory(client, node, { action: 'delete', path: '/tmp/x' }, signal);
  };
  await ask('a', 'True');
  await assert.rejects(ask('b', 'Unknown'), /^Error: node b is not ready$/);
  assert.deepEqual(dialled, ['/api/v1/nodes/a/proxy/directories']);
});
