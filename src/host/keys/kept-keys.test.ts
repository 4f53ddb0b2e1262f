import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ensureClusterPki } from './cluster-pki.ts';
import { storeState } from './kept-keys.ts';

const names = { addresses: [], dnsNames: [], serviceAddress: '10.96.0.1' };

suite('keys that nobody can make again', () => {
  let home: string;
  let whole: string;
  let copies = 0;
  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'wherry-kept-keys-'));
    whole = join(home, 'whole');
    await ensureClusterPki(whole, names, 'new');
  });
  after(() => rmSync(home, { recursive: true }));

  function copy(): string {
    const folder = join(home, `copy${copies++}`);
    cpSync(whole, folder, { recursive: true });
    return folder;
  }
  const contents = (folder: string) =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));

  const kept = [
    'encryption-keys.json',
    'ca.key',
    'ca.crt',
    'front-proxy-ca.key',
    'front-proxy-ca.crt',
    'sa.key',
  ];
  const damages: [string, (file: string) => void, RegExp][] = [
    ['missing', (file) => rmSync(file), /\/(\S+) is missing$/],
    ['empty', (file) => writeFileSync(file, ''), /\/(\S+) (is damaged|holds no proper key)$/],
    ['damaged', (file) => writeFileSync(file, 'no key'), /\/(\S+) (is damaged|holds no proper key)$/],
  ];
  for (const name of kept)
    for (const [what, damage, message] of damages)
      test(`${name} that is ${what} is named, and nothing is replaced`, async () => {
        const folder = copy();
        damage(join(folder, name));
        const found = contents(folder);
        await assert.rejects(
          ensureClusterPki(folder, names, 'in use'),
          (error: Error & { advice?: string }) => {
            assert.equal(error.name, 'Failure');
            assert.ok(message.exec(error.message)?.[1]?.endsWith(name), error.message);
            assert.match(error.advice!, /copy/);
            return true;
          },
        );
        assert.deepEqual(contents(folder), found);
      });

  test('the key of another authority is told of', async () => {
    const folder = copy();
    cpSync(join(folder, 'front-proxy-ca.key'), join(folder, 'ca.key'));
    await assert.rejects(ensureClusterPki(folder, names, 'in use'), /ca\.key is not the key of .*ca\.crt$/);
  });

  test('what its advice says to remove is made anew', async () => {
    for (const removed of [
      ['ca.key', 'ca.crt'],
      ['sa.key', 'sa.pub'],
    ]) {
      const folder = copy();
      for (const name of removed) rmSync(join(folder, name));
      await ensureClusterPki(folder, names, 'in use');
      assert.deepEqual(readdirSync(folder).sort(), readdirSync(whole).sort());
    }
  });

  test('before there is a store, a set that a crash has left unfinished is completed', async () => {
    for (const name of kept) {
      const folder = copy();
      rmSync(join(folder, name));
      await ensureClusterPki(folder, names, 'new');
      assert.deepEqual(readdirSync(folder).sort(), readdirSync(whole).sort());
    }
  });

  test('a store that is there is in use', () => {
    const file = join(home, 'store');
    assert.equal(storeState(file), 'new');
    writeFileSync(file, '');
    assert.equal(storeState(file), 'new');
    writeFileSync(file, 'x');
    assert.equal(storeState(file), 'in use');
  });
});
