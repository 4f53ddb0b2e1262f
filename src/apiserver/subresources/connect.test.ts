import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { AdmissionChain } from '../admission/admission.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { Registry } from '../registry/registry.ts';
import type { RequestContext } from '../request.ts';
import { admitted, type ConnectKind } from './connect.ts';

const pods = sparse<ServedResource>({ definition: { type: { group: '', plural: 'pods' } } });

async function connectedAs(kind: ConnectKind, search: string, change: (options: object) => object) {
  const admission = new AdmissionChain();
  admission.add({
    name: 'change',
    handlesAnyKind: true,
    mutate(attributes) {
      attributes.object = change(attributes.object!) as never;
    },
  });
  admission.add({
    name: 'of objects alone',
    mutate: () => assert.fail('a connection is no object of the resource'),
  });
  const context = sparse<RequestContext>({
    request: { query: new URLSearchParams(search), header: () => undefined },
    info: { name: 'p', namespace: 'default', verb: 'create', subresource: 'exec', rest: '/a' },
    user: { name: 'ann', groups: [] },
    warnings: [],
  });
  let seen: RequestContext | undefined;
  await admitted(kind, (_registry, given) => {
    seen = given;
    return { type: 'hijacked' };
  })({ admission } as Registry, context, pods);
  return seen!;
}

test('a connection is made with the options that admission made of those asked for', async () => {
  const context = await connectedAs('PodExecOptions', 'command=sh&stdin=true&container=a', (options) => ({
    ...options,
    stdin: false,
    container: 'b',
    command: ['ls', '-l'],
  }));
  assert.equal(context.connectQuery?.toString(), 'stdin=false&container=b&command=ls&command=-l');
});

test('a remaining path may be changed too, and what is not changed stays as it was sent', async () => {
  assert.equal(
    (await connectedAs('PodProxyOptions', '', (options) => ({ ...options, path: '/b' }))).info.rest,
    '/b',
  );
  const same = await connectedAs('PodExecOptions', 'command=sh', (options) => options);
  assert.equal(same.connectQuery, undefined);
});
