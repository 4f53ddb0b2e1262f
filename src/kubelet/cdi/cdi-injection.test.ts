import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import type { ContainerConfig } from '../cri/messages.ts';
import { CdiInjection, knowsCdi } from './cdi-injection.ts';
import type { CdiEdits } from './cdi-spec.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-cdi-'));
after(() => rmSync(folder, { recursive: true }));
const specFolders = [join(folder, 'low'), join(folder, 'high')];
for (const each of specFolders) mkdirSync(each);
const nodeFolder = join(folder, 'nodes');
const cdi = new CdiInjection({ logger: silentLogger, specFolders });

const config = (names: readonly string[], change: Partial<ContainerConfig> = {}): ContainerConfig => ({
  metadata: { name: 'c', attempt: 0 },
  image: { image: 'i' },
  CDIDevices: names.map((name) => ({ name })),
  ...change,
});

const write = (at: string, kind: string, devices: object[], containerEdits?: CdiEdits) =>
  writeFileSync(join(folder, at), JSON.stringify({ cdiVersion: '0.6.0', kind, devices, containerEdits }));
const edited = (name: string, containerEdits: CdiEdits) => ({ name, containerEdits });

const environmentOf = ({ envs = [] }: ContainerConfig) =>
  envs.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`);

test('the edits of a spec come once and before those of its devices, and replace what stands there', async () => {
  write(
    'low/plain.json',
    'v.com/plain',
    [
      edited('a', { env: ['A=1', 'WHO=a'] }),
      edited('b', {
        env: ['WHO=b=b'],
        mounts: [
          { hostPath: '/h', containerPath: '/c', options: ['ro', 'rbind', 'rslave'] },
          { hostPath: '/h2', containerPath: '/c2', type: 'bind' },
        ],
        additionalGids: [7, 0],
      }),
    ],
    { env: ['WHO=spec', 'SPEC=1'] },
  );
  const before = config(['v.com/plain=a', 'v.com/plain=b'], {
    envs: [{ key: 'SPEC', value: Buffer.from('0') }],
    linux: { securityContext: { supplementalGroups: [5] } },
  });
  const { CDIDevices, ...given } = await cdi.inject(before, nodeFolder);
  assert.equal(CDIDevices, undefined, 'the runtime is not to look for them as well');
  assert.deepEqual(environmentOf(given), ['SPEC=1', 'WHO=b=b', 'A=1']);
  assert.deepEqual(given.mounts, [
    { hostPath: '/h', containerPath: '/c', readonly: true, propagation: 'PROPAGATION_HOST_TO_CONTAINER' },
    { hostPath: '/h2', containerPath: '/c2', readonly: false },
  ]);
  assert.deepEqual(given.linux?.securityContext?.supplementalGroups, [5, 7]);
});

test('a container without CDI devices is left as it is', async () => {
  const before = config([]);
  assert.equal(await cdi.inject(before, nodeFolder), before);
});

test('device nodes are made as the spec says, and mounted where a container is privileged', async () => {
  const uid = process.getuid!();
  const gid = process.getgid!();
  const node = { path: '/dev/x', type: 'p', fileMode: 0o640, permissions: 'rw', uid, gid };
  write('low/node.yaml', 'v.com/node', [edited('x', { deviceNodes: [node] })]);
  const given = await cdi.inject(config(['v.com/node=x']), nodeFolder);
  const [device] = given.devices!;
  assert.deepEqual(device, {
    containerPath: '/dev/x',
    hostPath: join(nodeFolder, '0'),
    permissions: 'rw',
  });
  const made = lstatSync(device!.hostPath);
  assert.deepEqual([made.isFIFO(), made.mode & 0o7777, made.uid, made.gid], [true, 0o640, uid, gid]);
  const privileged = await cdi.inject(
    config(['v.com/node=x'], { linux: { securityContext: { privileged: true } } }),
    nodeFolder,
  );
  assert.deepEqual(
    [privileged.devices, privileged.mounts],
    [[], [{ containerPath: '/dev/x', hostPath: join(nodeFolder, '0') }]],
  );
});

test('a device node that the spec gives no number has that of the node’s own', {
  skip: process.getuid!() !== 0,
}, async () => {
  const node = { path: '/dev/nothing', hostPath: '/dev/null' };
  write('low/host.json', 'v.com/host', [edited('x', { deviceNodes: [node] })]);
  const given = await cdi.inject(config(['v.com/host=x']), nodeFolder);
  const made = lstatSync(given.devices![0]!.hostPath);
  assert.deepEqual(
    [made.isCharacterDevice(), made.rdev, made.mode & 0o7777],
    [true, lstatSync('/dev/null').rdev, 0o666],
  );
});

test('a spec in a later folder takes precedence; two in the same folder make a device ambiguous', async () => {
  write('low/over.json', 'v.com/over', [edited('x', { env: ['FROM=low'] })]);
  write('high/over.json', 'v.com/over', [edited('x', { env: ['FROM=high'] })]);
  assert.deepEqual(environmentOf(await cdi.inject(config(['v.com/over=x']), nodeFolder)), ['FROM=high']);
  write('high/over-too.json', 'v.com/over', [edited('x', { env: ['FROM=too'] })]);
  await assert.rejects(cdi.inject(config(['v.com/over=x', 'v.com/plain=a']), nodeFolder), {
    message: 'CDI device injection failed: unresolvable CDI devices v.com/over=x',
  });
});

test('a file that is no spec does not affect the devices of others', async () => {
  writeFileSync(join(folder, 'high/broken.json'), '{"kind":');
  writeFileSync(join(folder, 'high/odd.json'), JSON.stringify({ cdiVersion: '0.6.0', kind: 'odd' }));
  writeFileSync(join(folder, 'high/readme.txt'), 'nothing');
  await cdi.inject(config(['v.com/plain=a']), nodeFolder);
  await assert.rejects(cdi.inject(config(['odd=a', 'v.com/none=b']), nodeFolder), {
    message: 'CDI device injection failed: unresolvable CDI devices odd=a, v.com/none=b',
  });
});

const bind = { hostPath: '/h', containerPath: '/c' };
const refused: [what: string, edits: CdiEdits, why: string][] = [
  ['hooks', { hooks: [{ hookName: 'createContainer', path: '/x' }] }, 'hooks'],
  ['resource classes', { intelRdt: {} }, 'intelRdt'],
  ['network devices', { netDevices: [{}] }, 'netDevices'],
  ['a mount of another type', { mounts: [{ ...bind, type: 'tmpfs' }] }, 'the tmpfs mount /c'],
  [
    'an option of a mount',
    { mounts: [{ ...bind, options: ['ro', 'nosuid'] }] },
    'the option nosuid of mount /c',
  ],
];
for (const [what, edits, why] of refused)
  test(`${what} cannot be had from a runtime that does not know CDI`, async () => {
    write('low/refused.json', 'v.com/refused', [edited('x', edits)]);
    await assert.rejects(cdi.inject(config(['v.com/refused=x']), nodeFolder), {
      message: `CDI device injection failed: ${why} cannot be passed on to a container runtime without CDI`,
    });
  });

const runtimes: [name: string, version: string, config: string | undefined, knows: boolean][] = [
  ['containerd', '1.6.20~ds1', '{"enableCDI":false}', false],
  ['containerd', '1.6.20~ds1', undefined, false],
  ['containerd', '1.7.24', '{"enableCDI":true,"cdiSpecDirs":["/etc/cdi"]}', true],
  ['containerd', '1.7.24', '{"enableCDI":false}', false],
  ['containerd', 'v2.2.0', '{}', true],
  ['cri-o', '1.34.0', undefined, true],
];
for (const [runtimeName, runtimeVersion, runtimeConfig, knows] of runtimes)
  test(`${runtimeName} ${runtimeVersion} (${runtimeConfig}) ${knows ? 'knows' : 'does not know'} CDI`, () => {
    const info: Record<string, string> = runtimeConfig === undefined ? {} : { config: runtimeConfig };
    assert.equal(knowsCdi({ runtimeName, runtimeVersion }, { info }), knows);
  });
