import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../pod.fixture.ts';
import { sandboxConfigOf } from './sandbox-config.ts';

test("the sandbox has the runtime's seccomp profile, whatever the pod's containers get", () => {
  const pod = testPod({
    securityContext: {
      seccompProfile: { type: 'Localhost', localhostProfile: 'missing.json' },
      supplementalGroupsPolicy: 'Strict',
    },
    containers: [{ name: 'c', securityContext: { privileged: true } }],
  });
  const { linux } = sandboxConfigOf(pod, {
    attempt: 0,
    clusterDomain: 'cluster.local',
    resolver: { servers: [], searches: [], options: [] },
    podLogsDir: '/logs',
  });
  assert.deepEqual(linux?.securityContext?.seccomp, { profileType: 'RuntimeDefault' });
  assert.equal(linux?.securityContext?.privileged, true);
  assert.equal(linux?.securityContext?.supplementalGroupsPolicy, 'Strict');
});
