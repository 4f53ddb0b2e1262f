import assert from 'node:assert/strict';
import { test } from 'node:test';
import facts from '../../api/data/columns.json' with { type: 'json' };
import { builtinKinds } from '../../api/kinds/builtin-kinds.ts';
import { describedColumns } from '../../api/kinds/column-descriptions.ts';
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

test('columns that show a field are described as the field is, and the facts name no others', async () => {
  await using listening = await createListeningServer();
  const send = await listening.as('admin', ['system:masters']);
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const read = async (path: string, as?: string) =>
    JSON.parse((await send('GET', path, as ? { accept: as } : {})).body.toString());
  const { columnDefinitions } = await read('/api/v1/pods', accept);
  const described = Object.fromEntries(
    columnDefinitions.map(({ name, description }: { name: string; description: string }) => [
      name,
      description,
    ]),
  );
  const { definitions } = await read('/openapi/v2');
  assert.equal(described.IP, definitions['io.k8s.api.core.v1.PodStatus'].properties.podIP.description);
  assert.equal(described.Node, definitions['io.k8s.api.core.v1.PodSpec'].properties.nodeName.description);
  for (const kind of builtinKinds) {
    const { group, kind: name } = kind.type;
    const shown = describedColumns(kind.type, kind.columns);
    for (const column of Object.keys(
      (facts as Record<string, object>)[group ? `${group}/${name}` : name] ?? {},
    )) {
      const found = shown.find((candidate) => candidate.name === column);
      assert.ok(found?.description, `${name} ${column}`);
    }
  }
});

test('rows without objects say so', async () => {
  await using listening = await createListeningServer();
  const send = await listening.as('admin', ['system:masters']);
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const { body } = await send('GET', '/api/v1/namespaces/default?includeObject=None', { accept });
  assert.equal(JSON.parse(body.toString()).rows[0].object, null);
});
