import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadKubeconfig } from './kubeconfig.ts';

const encode = (text: string) => Buffer.from(text).toString('base64');

test('a kubeconfig says which server, as whom, and in which namespace', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-client-'));
  const path = join(folder, 'config');
  await writeFile(join(folder, 'ca.pem'), 'authority');
  await writeFile(
    path,
    `
current-context: one
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', certificate-authority: ca.pem}}]
users:
- {name: u, user: {client-certificate-data: ${encode('cert')}, client-key-data: ${encode('key')}}}
- {name: t, user: {token: secret}}
contexts:
- {name: one, context: {cluster: c, user: u, namespace: demo}}
- {name: two, context: {cluster: c, user: t}}
- {name: bad, context: {cluster: nowhere, user: t}}
`,
  );
  try {
    const one = await loadKubeconfig(path);
    assert.deepEqual(
      [one.context, one.namespace, one.connection.server],
      ['one', 'demo', 'https://127.0.0.1:6443'],
    );
    assert.deepEqual([one.connection.ca, one.connection.cert, one.connection.key].map(String), [
      'authority',
      'cert',
      'key',
    ]);
    const two = await loadKubeconfig(path, 'two');
    assert.deepEqual([two.namespace, two.connection.token], ['default', 'secret']);
    await assert.rejects(loadKubeconfig(path, 'bad'), /there is no cluster "nowhere"/);
    await assert.rejects(loadKubeconfig(path, 'three'), /there is no context "three"/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file of another form is refused with the field', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-client-'));
  const path = join(folder, 'config');
  const wrong: [string, string][] = [
    ['clusters: 5', 'clusters: a list is wanted'],
    ['[a]', 'the file: an object is wanted'],
    ['users: [null]', 'users[0]: null is nothing'],
    ['contexts: [{name: c, context: {cluster: [a]}}]', 'contexts[0].context.cluster: a string is wanted'],
    [
      'current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c}]',
      'there is no cluster "c"',
    ],
  ];
  try {
    for (const [text, why] of wrong) {
      await writeFile(path, text);
      await assert.rejects(loadKubeconfig(path), { message: `${path}: ${why}` });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
