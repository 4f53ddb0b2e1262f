import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import { type Level, violationsOf } from './checks.ts';

const safe = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

function pod(spec: object, securityContext: object = safe): Pod {
  return {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i', securityContext }], ...spec },
  } as Pod;
}

const rows: [name: string, level: Level, pod: Pod, violations: string[]][] = [
  ['a safe pod passes the strictest level', 'restricted', pod({}), []],
  ['privileged allows everything', 'privileged', pod({ hostNetwork: true }, { privileged: true }), []],
  ['a plain pod passes baseline', 'baseline', pod({}, {}), []],
  [
    'a plain pod lacks four things that restricted wants',
    'restricted',
    pod({}, {}),
    [
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
  ],
  [
    'privileged containers',
    'baseline',
    pod({}, { privileged: true }),
    ['privileged (container "c" must not set securityContext.privileged=true)'],
  ],
  [
    'host namespaces',
    'baseline',
    pod({ hostNetwork: true, hostPID: true }),
    ['host namespaces (hostNetwork=true, hostPID=true)'],
  ],
  [
    'host paths',
    'baseline',
    pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
    ['hostPath volumes (volume "v")'],
  ],
  [
    'host paths are one of the volumes that restricted refuses',
    'restricted',
    pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
    ['restricted volume types (volume "v" uses restricted volume type "hostPath")'],
  ],
  [
    'host ports',
    'baseline',
    pod({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] }),
    ['hostPort (container "c" uses hostPort 80)'],
  ],
  [
    'capabilities beyond the default ones',
    'baseline',
    pod({}, { capabilities: { add: ['NET_ADMIN', 'CHOWN'] } }),
    [
      'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ],
  ],
  [
    'an unconfined seccomp profile',
    'baseline',
    pod({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
    ['seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'],
  ],
  [
    'sysctls that are not safe',
    'baseline',
    pod({
      securityContext: {
        sysctls: [
          { name: 'kernel.msgmax', value: '1' },
          { name: 'net.ipv4.tcp_syncookies', value: '1' },
        ],
      },
    }),
    ['forbidden sysctls (kernel.msgmax)'],
  ],
  [
    'root',
    'restricted',
    pod({ securityContext: { runAsUser: 0 } }),
    ['runAsUser=0 (pod must not set runAsUser=0)'],
  ],
];

for (const [name, level, candidate, expected] of rows)
  test(name, () => {
    assert.deepEqual(
      violationsOf(candidate, level).map(({ reason, detail }) => `${reason} (${detail})`),
      expected,
    );
  });
