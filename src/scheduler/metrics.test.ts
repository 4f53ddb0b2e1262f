import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

test('the events that queue pods are counted, and each extension point is timed', async () => {
  const cluster = new FakeCluster();
  try {
    cluster.addNodes(makeNode('a'));
    cluster.addPods(
      makePod('large', { requests: { cpu: '6' } }),
      makePod('small', { requests: { cpu: '1' } }),
    );
    cluster.start();
    await cluster.clock.advance(0);
    cluster.addNodes(makeNode('c', { allocatable: { cpu: '8' } }));
    await cluster.clock.advance(10_000);
    assert.equal(cluster.nodeOf('large'), 'c');
    const lines = cluster.metrics.expose().split('\n');
    const incoming = lines.filter((line) => line.startsWith('scheduler_queue_incoming_pods_total'));
    assert.deepEqual(incoming, [
      'scheduler_queue_incoming_pods_total{event="UnschedulablePodAdd",queue="active"} 2',
      'scheduler_queue_incoming_pods_total{event="ScheduleAttemptFailure",queue="unschedulable"} 1',
      'scheduler_queue_incoming_pods_total{event="NodeAdd",queue="backoff"} 1',
      'scheduler_queue_incoming_pods_total{event="PopFromBackoffQ",queue="active"} 1',
    ]);
    const counts = lines.flatMap((line) => {
      const match =
        /^scheduler_framework_extension_point_duration_seconds_count\{extension_point="(\w+)",profile="default-scheduler",status="(\w+)"\} (\d+)$/.exec(
          line,
        );
      return match ? [match.slice(1).join(' ')] : [];
    });
    for (const expected of ['PreFilter Success 3', 'PostFilter Unschedulable 1', 'Bind Success 2'])
      assert.ok(counts.includes(expected), `${expected} in ${counts.join(', ')}`);
  } finally {
    await cluster.stop();
  }
});
