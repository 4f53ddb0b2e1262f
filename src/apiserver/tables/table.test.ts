import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListeningServer } from '../http/listener.fixture.ts';

test('columns that show fields of the metadata are described as these are', async () => {
  await using listening = await createListeningServer();
  const send = await listening.as('admin', ['system:masters']);
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  for (const path of ['/api/v1/namespaces', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings']) {
    const { columnDefinitions } = JSON.parse((await send('GET', path, { accept })).body.toString());
    const described = (name: string) =>
      columnDefinitions.find((column: { name: string }) => column.name === name).description;
    assert.match(described('Name'), /^Name must be unique within a namespace\. .*names#names$/);
    assert.match(described('Age'), /^CreationTimestamp is a timestamp representing the server time/);
  }
});
