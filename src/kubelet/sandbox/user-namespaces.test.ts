import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { chooseRange, parseMappings, UserNamespaces, userNamespaceProblem } from './user-namespaces.ts';

function podsDirOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-userns-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
const open = (podsDir: string) => new UserNamespaces({ random: seededRandom(1), podsDir });

test('each pod has 65,536 ids for itself, keeps them over a restart of the kubelet, and gives them back', async (t) => {
  const podsDir = podsDirOf(t);
  const first = open(podsDir);
  assert.equal(await first.find('a'), undefined);
  const [a, b] = [await first.allocate('a'), await first.allocate('b')];
  const hostIdOf = ({ uids }: typeof a) => uids![0]!.hostId;
  assert.deepEqual(a, {
    mode: 'POD',
    uids: [{ hostId: hostIdOf(a), containerId: 0, length: 65_536 }],
    gids: [{ hostId: hostIdOf(a), containerId: 0, length: 65_536 }],
  });
  assert.ok(hostIdOf(a) >= 65_536 && hostIdOf(a) % 65_536 === 0);
  assert.notEqual(hostIdOf(a), hostIdOf(b));
  assert.deepEqual(await first.allocate('a'), a);
  const file = join(podsDir, 'a', 'userns');
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { uidMappings: a.uids, gidMappings: a.gids });

  const next = open(podsDir);
  assert.deepEqual((await next.list()).sort(), ['a', 'b']);
  assert.deepEqual(await next.allocate('a'), a);
  await next.release('a');
  assert.equal(await next.find('a'), undefined);
  assert.equal(existsSync(file), false);
  assert.deepEqual(await open(podsDir).list(), ['b']);
});

test('while the range of a pod cannot be read nothing is given away, and its end makes that possible again', async (t) => {
  const podsDir = podsDirOf(t);
  mkdirSync(join(podsDir, 'odd'));
  writeFileSync(join(podsDir, 'odd', 'userns'), '{}');
  const namespaces = open(podsDir);
  await assert.rejects(namespaces.allocate('a'), /record pod mappings for existing pod "odd": invalid user/);
  assert.deepEqual(await namespaces.list(), ['odd']);
  await namespaces.release('odd');
  assert.equal((await namespaces.allocate('a')).mode, 'POD');
});

test('a range that is taken is passed over, the first of the machine is never given, and the ranges have an end', () => {
  const last = 65_535 * 65_536;
  assert.equal(
    chooseRange(new Set(), () => 0),
    65_536,
  );
  assert.equal(
    chooseRange(new Set([65_536]), () => 0),
    2 * 65_536,
  );
  assert.equal(
    chooseRange(new Set(), () => 0.999_999_9),
    last,
  );
  assert.equal(
    chooseRange(new Set([last]), () => 0.999_999_9),
    65_536,
  );
  const all = new Set(Array.from({ length: 65_535 }, (_, index) => (index + 1) * 65_536));
  assert.throws(() => chooseRange(all, () => 0), /could not find an empty slot to allocate a user namespace/);
});

test('a file with anything but one whole range for users and groups is refused', () => {
  const range = { hostId: 131_072, containerId: 0, length: 65_536 };
  const text = (user: object, group = user) => JSON.stringify({ uidMappings: [user], gidMappings: [group] });
  assert.equal(parseMappings(text(range)), 131_072);
  const rows: [text: string, words: RegExp][] = [
    [text(range, { ...range, hostId: 65_536 }), /GID and UID mapping should be identical/],
    [JSON.stringify({ uidMappings: [range, range], gidMappings: [range] }), /should be identical/],
    [text({ ...range, containerId: 1 }), /UID 0 must be mapped/],
    [text({ ...range, length: 5 }), /wrong user namespace length 5/],
    [text({ ...range, hostId: 7 }), /wrong user namespace offset specified 7/],
    [text({ ...range, hostId: 0 }), /id 0 is out of range/],
    [text({ ...range, hostId: 2 ** 32 }), /id 4294967296 is out of range/],
  ];
  for (const [given, words] of rows) assert.throws(() => parseMappings(given), words);
});

test('what the runtime cannot do is refused in the words of upstream', () => {
  const handler = (name: string, userNamespaces: boolean) => ({
    name,
    userNamespaces,
    recursiveReadOnlyMounts: false,
  });
  const problem = "can't set `spec.hostUsers: false`, ";
  assert.equal(userNamespaceProblem([handler('', true)], ''), undefined);
  assert.equal(
    userNamespaceProblem([handler('', false)], ''),
    `${problem}runtime does not support user namespaces`,
  );
  assert.equal(userNamespaceProblem([], ''), `${problem}runtime does not support user namespaces`);
  const named = `${problem}RuntimeClass handler "kata" does not support user namespaces`;
  assert.equal(userNamespaceProblem([handler('kata', false)], 'kata'), named);
  assert.equal(
    userNamespaceProblem([handler('', true)], 'kata'),
    `${named}: the handler "kata" is not known`,
  );
});
