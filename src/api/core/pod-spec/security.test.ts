import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec } from '../../types/core-v1.gen.ts';
import { validatePodSpec } from './validate.ts';

const seccompProfiles: [profile: object, problems: string[]][] = [
  [{ type: 'RuntimeDefault' }, []],
  [{ type: 'Localhost', localhostProfile: 'a.json' }, []],
  [{ type: 'Localhost' }, ['localhostProfile: Required value: must be set when seccomp type is Localhost']],
  [
    { localhostProfile: 'a.json' },
    [
      'type: Required value: type is required when seccompProfile is set',
      'localhostProfile: Invalid value: {"Type":"","LocalhostProfile":"a.json"}: can only be set when seccomp type is Localhost',
    ],
  ],
  [
    { type: 'None', localhostProfile: 'a.json' },
    [
      'type: Unsupported value: "None": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
      'localhostProfile: Invalid value: {"Type":"None","LocalhostProfile":"a.json"}: can only be set when seccomp type is Localhost',
    ],
  ],
  [
    { type: 'Unconfined', localhostProfile: 'a.json' },
    [
      'localhostProfile: Invalid value: {"Type":"Unconfined","LocalhostProfile":"a.json"}: can only be set when seccomp type is Localhost',
    ],
  ],
];
for (const [seccompProfile, problems] of seccompProfiles)
  test(`the seccomp profile ${JSON.stringify(seccompProfile)} is ${problems.length === 0 ? 'good' : 'refused'}`, () => {
    const spec = { securityContext: { seccompProfile } } as PodSpec;
    const path = 'spec.securityContext.seccompProfile.';
    const texts = [...validatePodSpec(spec, 'spec')].map(({ text }) => text);
    const found = texts.filter((text) => text.startsWith(path)).map((text) => text.slice(path.length));
    assert.deepEqual(found, problems);
  });

const sysctls: [name: string, host: object, problem?: string][] = [
  ['net.core.somaxconn', { hostNetwork: true }, "may not be specified when 'hostNetwork' is true"],
  ['net/core/somaxconn', { hostNetwork: true }, "may not be specified when 'hostNetwork' is true"],
  ['net/core/somaxconn', { hostIPC: true }],
  ['kernel/shm_rmid_forced', { hostIPC: true }, "may not be specified when 'hostIPC' is true"],
  ['fs/mqueue/msg_max', { hostIPC: true }, "may not be specified when 'hostIPC' is true"],
  ['kernel.shm_next_id', { hostIPC: true }],
  ['kernel.sem', { hostNetwork: true }],
];
for (const [name, host, problem] of sysctls)
  test(`the kernel parameter ${name} with ${Object.keys(host)} is ${problem ? 'refused' : 'good'}`, () => {
    const spec = { ...host, securityContext: { sysctls: [{ name, value: '1' }] } } as PodSpec;
    const path = 'spec.securityContext.sysctls[0].name';
    const texts = [...validatePodSpec(spec, 'spec')].map(({ text }) => text);
    assert.deepEqual(
      texts.filter((text) => text.startsWith(path)),
      problem ? [`${path}: Invalid value: "${name}": ${problem}`] : [],
    );
  });
