import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../resources.gen.ts';
import type { AppArmorProfile, PodSpec } from '../../types/core-v1.gen.ts';
import { podKind } from '../pod.ts';
import { podTemplateKind } from '../pod-template.ts';
import { validateAppArmorProfile, validateProfilesAgree } from './profiles.ts';

const appArmor = 'container.apparmor.security.beta.kubernetes.io/';
const seccomp = 'container.seccomp.security.alpha.kubernetes.io/';
const deprecated = (name: string, prefix = '') =>
  `${prefix}metadata.annotations[${appArmor}${name}]: deprecated since v1.30; use the "appArmorProfile" field instead`;
const podOf = (annotations: Record<string, string>, spec: object) =>
  ({ metadata: { name: 'p', annotations }, spec: { containers: [{ name: 'c' }], ...spec } }) as Pod;
const runtimeDefault = { type: 'RuntimeDefault' };

function created(
  annotations: Record<string, string>,
  spec: object = {},
): { spec: PodSpec; warnings: string[] } {
  const [pod, warnings]: [Pod, string[]] = [podOf(annotations, spec), []];
  podKind.prepareCreate!(pod, warnings);
  return { spec: pod.spec, warnings };
}

test('a new pod has its AppArmor annotations in fields, too, and its writer is warned', () => {
  const { spec, warnings } = created(
    { [`${appArmor}c`]: 'localhost/mine', [`${appArmor}i`]: 'unconfined' },
    { initContainers: [{ name: 'i', securityContext: { privileged: true } }] },
  );
  assert.deepEqual(spec.containers[0]!.securityContext, {
    appArmorProfile: { type: 'Localhost', localhostProfile: 'mine' },
  });
  assert.deepEqual(spec.initContainers![0]!.securityContext, {
    privileged: true,
    appArmorProfile: { type: 'Unconfined' },
  });
  assert.deepEqual(warnings, [deprecated('i'), deprecated('c')]);
});

test('a field stays as it is, whatever the annotation says', () => {
  const containers = [{ name: 'c', securityContext: { appArmorProfile: runtimeDefault } }];
  const { spec, warnings } = created({ [`${appArmor}c`]: 'unconfined' }, { containers });
  assert.deepEqual(spec.containers[0]!.securityContext, { appArmorProfile: runtimeDefault });
  assert.deepEqual(warnings, []);
});

test('what the whole pod has is not repeated for its containers', () => {
  const securityContext = { appArmorProfile: runtimeDefault };
  assert.deepEqual(created({ [`${appArmor}c`]: 'runtime/default' }, { securityContext }), {
    spec: podOf({}, { securityContext }).spec,
    warnings: [],
  });
  const other = created({ [`${appArmor}c`]: 'unconfined' }, { securityContext });
  assert.deepEqual(other.spec.containers[0]!.securityContext, { appArmorProfile: { type: 'Unconfined' } });
  assert.deepEqual(other.warnings, [deprecated('c')]);
});

test('an annotation that no field can say is warned of only; pods of Windows have no AppArmor', () => {
  for (const annotation of ['', 'localhost/', 'localhost/ a', 'x'])
    assert.deepEqual(created({ [`${appArmor}c`]: annotation }), {
      spec: podOf({}, {}).spec,
      warnings: [deprecated('c')],
    });
  const os = { name: 'windows' };
  assert.deepEqual(created({ [`${appArmor}c`]: 'unconfined' }, { os }), {
    spec: podOf({}, { os }).spec,
    warnings: [],
  });
});

test('a template keeps its annotations, and its writer is warned unless the field is there', () => {
  const warningsOf = (annotation: string, spec: object) => [
    ...podTemplateKind.warnings!(
      {
        metadata: { name: 't' },
        template: podOf({ [`${appArmor}c`]: annotation }, spec),
      } as never,
      undefined,
    ),
  ];
  assert.deepEqual(warningsOf('unconfined', {}), [deprecated('c', 'template.')]);
  const securityContext = { appArmorProfile: runtimeDefault };
  assert.deepEqual(warningsOf('unconfined', { securityContext }), [deprecated('c', 'template.')]);
  assert.deepEqual(warningsOf('runtime/default', { securityContext }), []);
  assert.deepEqual(warningsOf('unconfined', { containers: [{ name: 'c', securityContext }] }), []);
});

test('profiles of AppArmor are named by their type, and local ones by a path', () => {
  const errorsOf = (profile: object) =>
    [...validateAppArmorProfile(profile as AppArmorProfile, 'p')].map(({ text }) => text);
  const [type, localhostProfile] = ['Localhost', 'p.localhostProfile'];
  for (const profile of [
    runtimeDefault,
    { type: 'Unconfined' },
    { type, localhostProfile: 'a'.repeat(4095) },
  ])
    assert.deepEqual(errorsOf(profile), []);
  const needed = `${localhostProfile}: Required value: must be set when AppArmor type is Localhost`;
  assert.deepEqual(errorsOf({}), ['p.type: Required value: type is required when appArmorProfile is set']);
  assert.deepEqual(errorsOf({ type }), [needed]);
  assert.deepEqual(errorsOf({ type, localhostProfile: '' }), [needed]);
  assert.deepEqual(errorsOf({ type, localhostProfile: 'a ' }), [
    `${localhostProfile}: Invalid value: "a ": must not be padded with whitespace`,
  ]);
  assert.deepEqual(errorsOf({ type, localhostProfile: 'a'.repeat(4096) }), [
    `${localhostProfile}: Too long: may not be more than 4095 bytes`,
  ]);
  assert.deepEqual(errorsOf({ ...runtimeDefault, localhostProfile: 'a' }), [
    `${localhostProfile}: Invalid value: "a": can only be set when AppArmor type is Localhost`,
  ]);
  assert.deepEqual(errorsOf({ type: 'X', localhostProfile: 'a' }), [
    'p.type: Unsupported value: "X": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
  ]);
});

test('an annotation and the field of the same profile agree', () => {
  const errorsOf = (annotations: Record<string, string>, container: object, ofPod: object = {}) =>
    [
      ...validateProfilesAgree(
        podOf(annotations, {
          containers: [{ name: 'c', securityContext: container }],
          securityContext: ofPod,
        }),
        'spec',
      ),
    ].map(({ text }) => text);
  const ofC = 'spec.containers[0].securityContext';
  const differ = (field: string, name: string, what = 'type') =>
    `${field}: Forbidden: ${name} ${what} in annotation and field must match`;
  const local = { type: 'Localhost', localhostProfile: 'a' };
  const rows: [annotation: string, profile: object, appArmor: string[], seccomp: string[]][] = [
    ['unconfined', { type: 'Unconfined' }, [], []],
    ['runtime/default', runtimeDefault, [], []],
    ['docker/default', runtimeDefault, ['type'], []],
    ['unconfined', runtimeDefault, ['type'], ['type']],
    ['localhost/a', local, [], []],
    ['localhost/b', local, ['localhostProfile'], ['localhostProfile']],
    ['unconfined', local, ['type'], ['type']],
    ['x', { type: 'X' }, [], []],
  ];
  for (const [annotation, profile, ofAppArmor, ofSeccomp] of rows) {
    const what = (field: string) => (field === 'type' ? 'type' : 'profile');
    assert.deepEqual(
      errorsOf({ [`${appArmor}c`]: annotation }, { appArmorProfile: profile }),
      ofAppArmor.map((field) => differ(`${ofC}.appArmorProfile.${field}`, 'apparmor', what(field))),
    );
    assert.deepEqual(
      errorsOf({ [`${seccomp}c`]: annotation }, { seccompProfile: profile }),
      ofSeccomp.map((field) => differ(`${ofC}.seccompProfile.${field}`, 'seccomp', what(field))),
    );
  }
  // The pod's profile is that of each container, of AppArmor alone; and seccomp has an annotation of the pod.
  assert.deepEqual(errorsOf({ [`${appArmor}c`]: 'unconfined' }, {}, { appArmorProfile: runtimeDefault }), [
    differ(`${ofC}.appArmorProfile.type`, 'apparmor'),
  ]);
  assert.deepEqual(errorsOf({ [`${seccomp}c`]: 'unconfined' }, {}, { seccompProfile: runtimeDefault }), []);
  assert.deepEqual(
    errorsOf(
      { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' },
      {},
      { seccompProfile: runtimeDefault },
    ),
    [differ('spec.securityContext.seccompProfile.type', 'seccomp')],
  );
});
