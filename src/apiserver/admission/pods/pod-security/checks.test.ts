import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../../api/resources.gen.ts';
import type { Level } from './check.ts';
import { violationsOf } from './checks.ts';

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
    'AppArmor profiles by field and by annotation',
    'baseline',
    {
      ...pod({}, { appArmorProfile: { type: 'Unconfined' } }),
      metadata: {
        ...pod({}).metadata,
        annotations: {
          'container.apparmor.security.beta.kubernetes.io/c': 'unconfined',
          'container.apparmor.security.beta.kubernetes.io/d': 'runtime/default',
        },
      },
    },
    [
      'forbidden AppArmor profiles (container "c" and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
    ],
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

const host = { livenessProbe: { httpGet: { port: 80, host: '10.0.0.1' } } };
const withHost = {
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'i', ...host }] },
} as Pod;
const byVersion: [name: string, level: Level, minor: number | undefined, pod: Pod, reasons: string[]][] = [
  ['hosts of probes', 'baseline', undefined, withHost, ['probe or lifecycle host']],
  ['hosts of probes, before 1.34', 'baseline', 33, withHost, []],
  [
    'root in its own user namespace',
    'restricted',
    35,
    pod({ hostUsers: false }, { ...safe, runAsUser: 0 }),
    [],
  ],
  [
    'the same before 1.35',
    'restricted',
    34,
    pod({ hostUsers: false }, { ...safe, runAsUser: 0 }),
    ['runAsUser=0'],
  ],
  ['root before it was asked for', 'restricted', 22, pod({}, { ...safe, runAsUser: 0 }), []],
  ['a mount of proc', 'baseline', undefined, pod({ hostUsers: false }, { procMount: 'Unmasked' }), []],
  [
    'a mount of proc for the strict',
    'restricted',
    undefined,
    pod({ hostUsers: false }, { ...safe, procMount: 'Unmasked' }),
    ['procMount'],
  ],
  ['capabilities before 1.22', 'restricted', 21, pod({}, { ...safe, capabilities: {} }), []],
  [
    'a sysctl that was allowed later',
    'baseline',
    28,
    pod({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_fin_timeout', value: '1' }] } }),
    ['forbidden sysctls'],
  ],
];
for (const [name, level, minor, candidate, expected] of byVersion)
  test(`standards by version: ${name}`, () =>
    assert.deepEqual(
      violationsOf(candidate, level, minor).map(({ reason }) => reason),
      expected,
    ));

test('hosts of probes are reported with their containers', () => {
  assert.deepEqual(violationsOf(withHost, 'baseline'), [
    { reason: 'probe or lifecycle host', detail: 'container "c" uses probe or lifecycle host "10.0.0.1"' },
  ]);
});
