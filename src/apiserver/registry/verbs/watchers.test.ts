import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:https';
import { test } from 'node:test';
import { createListeningServer } from '../../http/listener.fixture.ts';

test('watchers over the network count for what they watch while they do, those of a node’s pods do not', async () => {
  await using listening = await createListeningServer();
  const identity = await listening.connect('admin', ['system:masters']);
  const { kinds } = listening.server.api.registry;
  const interestedIn = (resource: string, namespace: string, name: string) =>
    kinds.find('', 'v1', resource)!.cache!.watchers.interestedIn({ namespace, name });
  const watch = async (path: string) => {
    const options = { host: '127.0.0.1', port: listening.port, path: `/api/v1/${path}`, ...identity };
    const request = get({ ...options, agent: false });
    const [answer] = await once(request, 'response');
    assert.equal(answer.statusCode, 200);
    return request;
  };
  const open = [
    await watch('configmaps?watch=1'),
    await watch('namespaces/a/configmaps?watch=1&labelSelector=x'),
    await watch('namespaces/a/configmaps?watch=1&fieldSelector=metadata.name%3Dc'),
    await watch('pods?watch=1&fieldSelector=spec.nodeName%3Dn'),
    await watch('pods?watch=1&fieldSelector=spec.nodeName%3D'),
  ];
  const counts = () => [
    interestedIn('configmaps', 'a', 'c'),
    interestedIn('configmaps', 'a', 'other'),
    interestedIn('configmaps', 'b', 'c'),
    interestedIn('pods', 'a', 'p'),
  ];
  assert.deepEqual(counts(), [3, 2, 1, 1]);
  for (const request of open) request.destroy();
  while (counts().some((count) => count > 0)) await new Promise(setImmediate);
});
