import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { testPod } from '../pod.fixture.ts';
import { probeMetrics } from './probe-metrics.ts';

test('probes are counted and timed by container, and forgotten with their pod', () => {
  const registry = new MetricsRegistry();
  const metrics = probeMetrics(registry);
  const exposed = () =>
    registry
      .expose()
      .split('\n')
      .filter((line) => !line.startsWith('#') && line !== '');
  const pod = testPod();
  const { uid } = pod.metadata;
  const target = { pod, container: pod.spec.containers[0]!, containerId: 'i', podIp: '' };
  metrics.done('Readiness', target, 'successful', 0.02);
  metrics.done('Readiness', target, 'failed', 3);
  const lines = exposed();
  const count = (result: string) =>
    lines.find((line) => line.startsWith('prober_probe_total{') && line.includes(`result="${result}"`));
  assert.match(count('successful')!, / 1$/);
  assert.match(count('failed')!, / 1$/);
  assert.ok(
    lines.some((line) => /duration_seconds_bucket.*probe_type="Readiness".*le="0\.025"} 1$/.test(line)),
  );
  assert.ok(lines.some((line) => /duration_seconds_count.* 2$/.test(line)));
  metrics.forget('another');
  assert.equal(exposed().length, lines.length);
  metrics.forget(uid);
  assert.deepEqual(exposed(), []);
});
