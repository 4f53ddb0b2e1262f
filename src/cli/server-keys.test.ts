import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { sparse } from '../base/sparse.fixture.ts';
import { encryptionKeysFile, readEncryptionKeys } from '../host/keys/encryption-keys.ts';
import { readSharedKeys } from '../host/keys/shared-keys.ts';
import { createMemoryStore } from '../storage/memory.ts';
import { shareServerKeys } from './server-keys.ts';

suite('the keys of servers on one store', () => {
  const home = mkdtempSync(join(tmpdir(), 'wherry-server-keys-'));
  after(() => rmSync(home, { recursive: true }));
  const store = createMemoryStore();
  const share = (name: string, token?: string, on = store) =>
    shareServerKeys({
      store: on,
      pkiFolder: join(home, name),
      tokenFile: join(home, `${name}-token`),
      ...(token !== undefined && { token }),
    });
  const keysOf = (name: string) => readSharedKeys(join(home, name));
  let token = '';

  test('are created by the first server, and taken over by servers with its token', async () => {
    token = (await share('one'))!;
    assert.equal(await share('two', token), token);
    assert.deepEqual(keysOf('two'), keysOf('one'));
  });

  test('are not to be read in the store', async () => {
    const { entry } = await store.get('/registry/wherry.dev/server-keys');
    const text = Buffer.from(entry!.value).toString();
    for (const secret of Object.values(keysOf('one'))) assert.ok(!text.includes(secret.slice(40, 60)));
  });

  test('need the token once: a server that starts again has kept it, or the keys themselves', async () => {
    assert.equal(await share('two'), token);
    cpSync(join(home, 'one'), join(home, 'copied'), { recursive: true });
    assert.equal(await share('copied'), undefined);
  });

  for (const [name, attempt, message] of [
    ['no token', () => share('three'), /has servers already/],
    ['a wrong token', () => share('three', 'not-the-right-token'), /is not the one of the cluster/],
    ['a token that is too short', () => share('three', 'short'), /shorter than 16/],
  ] as const)
    test(`are not given for ${name}`, async () => {
      await assert.rejects(attempt, message);
    });

  test('of another cluster are left alone', async () => {
    await share('other', undefined, createMemoryStore());
    const before = keysOf('other');
    await assert.rejects(share('other', token), /the keys of another cluster/);
    assert.deepEqual(keysOf('other'), before);
  });

  test('are one set when two servers start first at the same time', async () => {
    const empty = createMemoryStore();
    await Promise.all([
      share('left', 'the-token-for-both', empty),
      share('right', 'the-token-for-both', empty),
    ]);
    assert.deepEqual(keysOf('left'), keysOf('right'));
  });

  test('are stored only once their token is kept, which could not be recovered otherwise', async () => {
    const empty = createMemoryStore();
    mkdirSync(join(home, 'unkept-token'));
    await assert.rejects(share('unkept', undefined, empty), { code: 'EISDIR' });
    rmSync(join(home, 'unkept-token'), { recursive: true });
    const kept = (await share('unkept', undefined, empty))!;
    assert.equal(await share('later', kept, empty), kept);
  });

  test('of a server that was second are not left with a token of its own', async () => {
    const late = createMemoryStore();
    const taken = sparse<typeof late>({
      get: (key) => late.get(key),
      async create(key, value) {
        await share('first', undefined, late);
        return await late.create(key, value);
      },
    });
    await assert.rejects(share('second', undefined, taken), /has servers already/);
    assert.equal(existsSync(join(home, 'second-token')), false);
  });

  test('for secrets reach the others when one is added, in the order of each', async () => {
    const file = join(home, 'one', encryptionKeysFile);
    const added = { name: 'key2', secret: Buffer.alloc(32, 7).toString('base64') };
    writeFileSync(file, JSON.stringify([added, ...JSON.parse(readFileSync(file, 'utf8'))]));
    await share('one');
    await share('two');
    const names = (name: string) => readEncryptionKeys(join(home, name)).map((key) => key.name);
    assert.deepEqual(
      [names('one'), names('two')],
      [
        ['key2', 'key1'],
        ['key1', 'key2'],
      ],
    );
  });
});
