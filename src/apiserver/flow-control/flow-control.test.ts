import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { parsePath } from '../http/request/path.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import type { RequestContext } from '../request.ts';
import { FlowControl } from './flow-control.ts';

const query = new URLSearchParams();
const context = sparse<RequestContext>({
  request: { method: 'GET', query, signal: new AbortController().signal },
  info: parsePath('GET', '/api/v1/pods', query),
  user: { name: 'jane', groups: [] },
  headers: {},
  elsewhere: { ms: 0 },
});

test('a level that was deleted ends with its last request', async () => {
  const objects = new FakeObjects()
    .put(PriorityLevelConfiguration, { metadata: { name: 'own' }, spec: { type: 'Limited', limited: {} } })
    .put(FlowSchema, {
      metadata: { name: 'all' },
      spec: {
        priorityLevelConfiguration: { name: 'own' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: '*' } }],
            resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true }],
          },
        ],
      },
    });
  const clock = new VirtualClock();
  const flowControl = new FlowControl({ objects, clock, metrics: new MetricsRegistry(), countOf: () => 1 });
  const levels = () => {
    const answer = flowControl.dumps.dump_priority_levels!({} as never);
    return answer.type === 'raw'
      ? String(answer.body)
          .match(/^own,.*$/m)?.[0]
          .split(/,\s*/)
      : undefined;
  };
  const work = Promise.withResolvers<void>();
  const running = flowControl.run(
    context,
    { timeoutMs: 60_000, client: context.request },
    () => work.promise,
  );
  objects.remove(PriorityLevelConfiguration, '', 'own');
  assert.deepEqual(levels()?.slice(0, 4), ['own', '0', 'false', 'true'], 'it is quiescing');
  work.resolve();
  await running;
  assert.equal(levels(), undefined);
});
