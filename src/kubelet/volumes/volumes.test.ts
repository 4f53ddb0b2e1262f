import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type * as core from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import { testPod } from '../pod.fixture.ts';
import { writeAtomically } from './atomic-writer.ts';
import { prepareHostPath } from './host-path.ts';
import { computePayload } from './payload.ts';
import { TokenSource } from './token-source.ts';
import { volumeObjectsOf } from './volume-objects.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-kubelet-volumes-'));
after(() => rmSync(folder, { recursive: true }));

const file = (text: string, mode = 0o644) => ({ data: Buffer.from(text), mode });

test('files appear through one link, change all at once, and go when they are no longer wanted', async () => {
  const root = join(folder, 'atomic');
  const read = (name: string) => readFileSync(join(root, name), 'utf8');
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('1')],
        ['d/b', file('2', 0o400)],
      ]),
      'v1',
      undefined,
    ),
    true,
  );
  assert.deepEqual([read('a'), read('d/b')], ['1', '2']);
  assert.ok(lstatSync(join(root, 'a')).isSymbolicLink());
  assert.equal(statSync(join(root, 'd/b')).mode & 0o777, 0o400);
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('1')],
        ['d/b', file('2', 0o400)],
      ]),
      'v2',
      undefined,
    ),
    false,
  );
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('3')],
        ['c', file('4')],
      ]),
      'v3',
      undefined,
    ),
    true,
  );
  assert.deepEqual(readdirSync(root).sort(), ['..data', '..v3', 'a', 'c']);
  assert.equal(read('a'), '3');
});

const objects: Record<string, object> = {
  cm: { data: { a: '1', b: '2' }, binaryData: { raw: Buffer.from([255, 0]).toString('base64') } },
  sec: { data: { s: Buffer.from('x').toString('base64') } },
};

async function filesOf(
  volume: Partial<core.Volume>,
  spec: Partial<core.PodSpec> = {},
): Promise<Record<string, string>> {
  const pod = testPod(spec);
  pod.metadata.labels = { app: 'web' };
  const payload = await computePayload(
    { name: 'v', ...volume },
    {
      pod,
      objects: {
        get: async (_type: unknown, at: { name: string }) => objects[at.name] as never,
        select: async () => [],
      },
      tokens: sparse<TokenSource>({ tokenFor: async () => 'token' }),
      node: { nodeName: 'n', hostIps: [], allocatable: {} },
    },
  );
  return Object.fromEntries(
    [...payload!].map(([path, { data, mode, uid }]) => [
      path,
      `${Buffer.from(data).toString('latin1')} ${mode.toString(8)}${uid === undefined ? '' : ` of ${uid}`}`,
    ]),
  );
}

test('a source that this node cannot serve is refused, not left out', async () => {
  const sources = [{ podCertificate: { signerName: 'example.com/s', keyType: 'ED25519' } }];
  await assert.rejects(
    filesOf({ projected: { sources } }),
    /^Error: podCertificate sources are not supported/,
  );
});

test('a set that cannot be written leaves nothing, and the one before stands', async () => {
  const root = join(folder, 'unwritable');
  await writeAtomically(root, new Map([['a', file('1')]]), 'v1', undefined);
  const odd = new Map([
    ['a', file('2')],
    ['a/b', file('3')],
  ]);
  await assert.rejects(writeAtomically(root, odd, 'v2', undefined));
  assert.deepEqual(readdirSync(root).sort(), ['..data', '..v1', 'a']);
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), '1');
});

test('configMap, secret, downwardAPI and projected volumes have the files that they name', async () => {
  assert.deepEqual(await filesOf({ configMap: { name: 'cm' } }), {
    a: '1 644',
    b: '2 644',
    raw: '\xff\0 644',
  });
  const items = [{ key: 'a', path: 'x/y', mode: 0o400 }];
  assert.deepEqual(await filesOf({ configMap: { name: 'cm', items } }), { 'x/y': '1 400' });
  assert.deepEqual(await filesOf({ secret: { secretName: 'sec', defaultMode: 0o400 } }), { s: 'x 400' });
  const sources = [
    { secret: { name: 'sec' } },
    { serviceAccountToken: { path: 'token' } },
    { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  ];
  assert.deepEqual(await filesOf({ projected: { sources } }), {
    s: 'x 644',
    token: 'token 644',
    labels: 'app="web" 644',
  });
});

test('a token is of the user that all containers run as, and only for the user and the group of the pod', async () => {
  const projected = { sources: [{ serviceAccountToken: { path: 'token' } }] };
  const tokenOf = async (spec: Partial<core.PodSpec>) => (await filesOf({ projected }, spec)).token;
  const container = { name: 'c', image: 'img:1' };
  const other = { ...container, name: 'd', securityContext: { runAsUser: 2000 } };
  const rows: [Partial<core.PodSpec>, string][] = [
    [{}, 'token 644'],
    [{ securityContext: { runAsUser: 1000 } }, 'token 600 of 1000'],
    [{ securityContext: { fsGroup: 10000 } }, 'token 600'],
    [{ securityContext: { runAsUser: 1000, fsGroup: 10000 } }, 'token 600 of 1000'],
    [{ containers: [other] }, 'token 600 of 2000'],
    [{ containers: [container, other] }, 'token 644'],
  ];
  for (const [spec, expected] of rows) assert.equal(await tokenOf(spec), expected, JSON.stringify(spec));
});

test('a missing object is an error in upstream’s words, unless it is optional', async () => {
  await assert.rejects(filesOf({ configMap: { name: 'later' } }), { message: 'configmap "later" not found' });
  await assert.rejects(filesOf({ secret: { secretName: 'none' } }), { message: 'secret "none" not found' });
  const sources = [
    { configMap: { name: 'later' } },
    { secret: { name: 'sec' } },
    { secret: { name: 'none' } },
  ];
  await assert.rejects(filesOf({ projected: { sources } }), {
    message: '[configmap "later" not found, secret "none" not found]',
  });
  await assert.rejects(filesOf({ configMap: { name: 'cm', items: [{ key: 'nokey', path: 'p' }] } }), {
    message: 'configmap references non-existent config key: nokey',
  });
  assert.deepEqual(await filesOf({ configMap: { name: 'later', optional: true } }), {});
});

test('a hostPath is checked by its type', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  mkdirSync(join(folder, 'dir'));
  await prepareHostPath(join(folder, 'dir'), 'Directory');
  await prepareHostPath(join(folder, 'made'), 'DirectoryOrCreate');
  await prepareHostPath(join(folder, 'dir/file'), 'FileOrCreate');
  assert.ok(statSync(join(folder, 'dir/file')).isFile());
  await assert.rejects(prepareHostPath('/no/such/file', 'FileOrCreate'), {
    message: 'open /no/such/file: no such file or directory',
  });
  await assert.rejects(prepareHostPath(join(folder, 'dir'), 'FileOrCreate'), /dir is not a file$/);
  await assert.rejects(prepareHostPath('/dev/null', 'BlockDevice'), /is not a block device$/);
  await prepareHostPath('/dev/null', 'CharDevice');
  await assert.rejects(prepareHostPath('/no/such/dir', 'Directory'), {
    message: 'hostPath type check failed: /no/such/dir is not a directory',
  });
  await assert.rejects(prepareHostPath(file, 'Socket'), /is not a socket file/);
});

test('a token is kept for most of its life, and while the API is away for all of it', async () => {
  const clock = new VirtualClock();
  let isAway = false;
  let asked = 0;
  const client = sparse<Client>({
    createSubresource: async () => {
      if (isAway) throw new Error('away');
      const expirationTimestamp = new Date(clock.now() + 3600_000).toISOString();
      return { status: { token: `t${++asked}`, expirationTimestamp } };
    },
  });
  const tokens = new TokenSource({ client, clock });
  const source = { path: 'token', expirationSeconds: 3600 };
  const next = () => tokens.tokenFor(testPod(), source);
  assert.equal(await next(), 't1');
  await clock.advance(2800_000);
  assert.equal(await next(), 't1');
  assert.equal(tokens.refreshDueMs('u'), clock.now() + 80_000);
  await clock.advance(100_000);
  isAway = true;
  assert.equal(await next(), 't1');
  assert.equal(
    tokens.refreshDueMs('u'),
    clock.now() + 30_000,
    'nobody asks a server that is away without pause',
  );
  await clock.advance(900_000);
  await assert.rejects(next(), { message: 'token expired and refresh failed: away' });
  assert.equal(tokens.refreshDueMs('u'), clock.now() + 30_000, 'nor for one that has ended');
  isAway = false;
  await clock.advance(30_000);
  assert.equal(await next(), 't2');
  clock.jump(-3600_000);
  assert.equal(await next(), 't3', 'servers refuse a token of the future');
  clock.jump(3600_000);
  assert.equal(await next(), 't4', 'nor do they take one that has ended');
});

test('the objects that a pod uses are those that its spec names, once each', () => {
  const pod = testPod({
    containers: [
      {
        name: 'c',
        envFrom: [{ secretRef: { name: 's' } }],
        env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }],
      },
    ],
    volumes: [{ name: 'v', configMap: { name: 'cm' } }],
    imagePullSecrets: [{ name: 'pull' }],
  });
  assert.deepEqual(
    volumeObjectsOf(pod)
      .map((use) => 'at' in use && `${use.type.kind} ${use.at.namespace}/${use.at.name}`)
      .sort(),
    ['ConfigMap ns/cm', 'Secret ns/pull', 'Secret ns/s'],
  );
});
