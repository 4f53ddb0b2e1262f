import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '../../api/types/core-v1.gen.ts';
import { testPod } from '../pod.fixture.ts';
import { sandboxConfigOf } from './sandbox-config.ts';

function securityOf(spec: Partial<core.PodSpec>, seccompDefault = false) {
  const { linux } = sandboxConfigOf(testPod(spec), {
    attempt: 0,
    clusterDomain: 'cluster.local',
    resolver: { servers: [], searches: [], options: [] },
    podLogsDir: '/logs',
    seccompDefault,
    userNamespace: { mode: 'NODE' },
  });
  return linux?.securityContext;
}

const missing = { type: 'Localhost', localhostProfile: 'missing.json' } as const;

test("the sandbox has the runtime's seccomp profile if a container has any, and never that of the pod", () => {
  const container = (securityContext: core.SecurityContext): Partial<core.PodSpec> => ({
    containers: [{ name: 'c', securityContext }],
  });
  const rows: [spec: Partial<core.PodSpec>, profile: string, seccompDefault?: boolean][] = [
    [{}, 'Unconfined'],
    [{}, 'RuntimeDefault', true],
    [{ securityContext: { seccompProfile: missing } }, 'RuntimeDefault'],
    [container({ seccompProfile: missing }), 'RuntimeDefault'],
    [container({ seccompProfile: { type: 'Unconfined' } }), 'Unconfined', true],
    [container({ seccompProfile: missing, privileged: true }), 'Unconfined'],
  ];
  for (const [spec, profileType, seccompDefault] of rows)
    assert.deepEqual(securityOf(spec, seccompDefault)?.seccomp, { profileType }, JSON.stringify(spec));
});

test('the sandbox has the groups of the pod, and merges them or not as the pod says', () => {
  const security = securityOf({
    securityContext: { supplementalGroups: [5], fsGroup: 7, supplementalGroupsPolicy: 'Strict' },
  });
  assert.deepEqual(security?.supplementalGroups, [5, 7]);
  assert.equal(security?.supplementalGroupsPolicy, 'Strict');
});

test('a privileged container of any kind is allowed in its sandbox', () => {
  const privileged = { name: 'p', securityContext: { privileged: true } };
  assert.equal(securityOf({})?.privileged, false);
  for (const kind of ['initContainers', 'containers', 'ephemeralContainers'])
    assert.equal(securityOf({ [kind]: [privileged] })?.privileged, true, kind);
});
