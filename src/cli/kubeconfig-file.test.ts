import assert from 'node:assert/strict';
import fs, { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { parse } from 'yaml';
import {
  contextName,
  mergeIntoKubeconfig,
  removeFromKubeconfig,
  sudoUser,
  userKubeconfigPath,
} from './kubeconfig-file.ts';

const entry = { name: 'wherry', server: 'https://127.0.0.1:6443', authority: 'CA', cert: 'CERT', key: 'KEY' };
const foreign = `# mine
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: work
  cluster: {server: https://work.example} # the big one
contexts:
- name: work
  context: {cluster: work, user: me, namespace: team}
current-context: work
users:
- name: me
  user: {token: abc}
extensions: []
`;

suite("the user's kubeconfig", () => {
  let folder = '';
  let file = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'wherry-kubeconfig-'));
    file = join(folder, 'sub', 'config');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = () => parse(readFileSync(file, 'utf8'));

  test('is made when there is none, readable by its owner only', async () => {
    assert.equal(await mergeIntoKubeconfig(file, entry), true);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(read()['current-context'], 'wherry');
    assert.equal(Buffer.from(read().users[0].user['client-key-data'], 'base64').toString(), 'KEY');
  });

  test('has a line for each value, as kubectl writes it, also after everything was removed', async () => {
    await mergeIntoKubeconfig(file, entry);
    const first = readFileSync(file, 'utf8');
    assert.match(first, /^ {4}server: https:\/\/127\.0\.0\.1:6443$/m);
    assert.match(first, /^current-context: wherry$/m);
    await removeFromKubeconfig(file, 'wherry');
    await mergeIntoKubeconfig(file, entry);
    assert.equal(readFileSync(file, 'utf8'), first);
  });

  test('belongs to the user who called sudo, with the folders created for it and no others', async () => {
    const own = { home: folder, userId: process.getuid!(), groupId: process.getgid!() };
    const changed: string[] = [];
    const original = fs.chownSync;
    mock.method(fs, 'chownSync', (path: string, userId: number, groupId: number) => {
      changed.push(path);
      original(path, userId, groupId);
    });
    syncBuiltinESMExports();
    try {
      await mergeIntoKubeconfig(join(folder, 'beside'), entry, own);
      await mergeIntoKubeconfig(join(folder, 'new', 'sub', 'config'), entry, own);
      await mergeIntoKubeconfig(join(folder, 'new', 'sub', 'config'), { ...entry, key: 'OTHER' });
    } finally {
      mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.deepEqual(
      changed.filter((path) => !path.endsWith('.wherry')),
      ['beside', 'new', 'new/sub', 'new/sub/config'].map((path) => join(folder, path)),
    );
  });

  test('keeps everything else, comments too, and is the same again after removal but for the current context', async () => {
    file = join(folder, 'config');
    writeFileSync(file, foreign);
    await mergeIntoKubeconfig(file, entry);
    const merged = readFileSync(file, 'utf8');
    for (const piece of ['# mine', '# the big one', 'colors: true', 'token: abc', 'namespace: team'])
      assert.ok(merged.includes(piece), piece);
    assert.equal(read()['current-context'], 'wherry');
    await removeFromKubeconfig(file, 'wherry');
    assert.deepEqual(read(), { ...parse(foreign), 'current-context': '' });
  });

  test('is not written when nothing changes, and takes a new port and a chosen namespace into account', async () => {
    await mergeIntoKubeconfig(file, entry);
    assert.equal(await mergeIntoKubeconfig(file, entry), false);
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('user: wherry\n', 'user: wherry\n    namespace: mine\n'),
    );
    await mergeIntoKubeconfig(file, { ...entry, server: 'https://127.0.0.1:6444' });
    assert.equal(read().clusters.length, 1);
    assert.equal(read().clusters[0].cluster.server, 'https://127.0.0.1:6444');
    assert.equal(read().contexts[0].context.namespace, 'mine');
  });

  test('that is a symbolic link stays one', async () => {
    writeFileSync(join(folder, 'real'), foreign);
    file = join(folder, 'link');
    symlinkSync('real', file);
    await mergeIntoKubeconfig(file, entry);
    assert.match(readFileSync(join(folder, 'real'), 'utf8'), /wherry/);
  });

  test('that is broken is left as it is', async () => {
    file = join(folder, 'config');
    for (const broken of ['{{{', '- a list\n']) {
      writeFileSync(file, broken);
      await assert.rejects(mergeIntoKubeconfig(file, entry), /is no kubeconfig/);
      assert.equal(readFileSync(file, 'utf8'), broken);
    }
  });
});

test('the file is the first that KUBECONFIG names, else the usual one', () => {
  assert.equal(userKubeconfigPath({ KUBECONFIG: '/a:/b', HOME: '/home/ann' }), '/a');
  assert.equal(userKubeconfigPath({ KUBECONFIG: ':/b', HOME: '/home/ann' }), '/b');
  assert.equal(userKubeconfigPath({ HOME: '/home/ann' }), '/home/ann/.kube/config');
});

test('under sudo the kubeconfig is that of the calling user', () => {
  const accounts = 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n';
  assert.deepEqual(sudoUser({ SUDO_USER: 'ann' }, accounts), {
    home: '/home/ann',
    userId: 1000,
    groupId: 1001,
  });
  assert.equal(sudoUser({ SUDO_USER: 'root' }, accounts), undefined);
  assert.equal(sudoUser({ SUDO_USER: 'gone' }, accounts), undefined);
  assert.equal(sudoUser({}, accounts), undefined);
});

test('contexts carry the name of the cluster', () => {
  assert.equal(contextName('wherry'), 'wherry');
  assert.equal(contextName('two'), 'wherry-two');
});
