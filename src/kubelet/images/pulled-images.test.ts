import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import type { Image } from '../cri/messages.ts';
import { type ImageName, parseImageName } from './image-name.ts';
import type { PullCredential } from './pull-credentials.ts';
import { PulledImages, type Verification } from './pulled-images.ts';

const name = parseImageName('r.io/team/app:1') as ImageName;
const image = (id = 'sha256:1') => ({ id }) as Image;

function credential(namespace: string, password: string, uid = namespace): PullCredential {
  return { auth: { username: 'u', password }, secret: { namespace, name: 'pull', uid } };
}

function create(verification: Partial<Verification> = {}, file?: string): PulledImages {
  return new PulledImages({
    file,
    logger: silentLogger,
    verification: { policy: 'NeverVerifyPreloadedImages', allowlist: [], ...verification },
  });
}

const may = (pulled: PulledImages, credentials: PullCredential[] = [], at = name, id?: string) =>
  pulled.mayUse(image(id), at, async () => credentials);

test('an image pulled with credentials is for pods that have them, one pulled without for all', async () => {
  const pulled = create();
  await pulled.begin(name);
  await pulled.succeeded(name, image().id, credential('a', 'right'));
  assert.equal(await may(pulled), false);
  assert.equal(await may(pulled, [credential('b', 'wrong')]), false);
  assert.equal(await may(pulled, [credential('a', 'right')]), true);
  assert.equal(await may(pulled, [credential('b', 'wrong'), credential('c', 'right')]), true);
  // The secret was renewed: it is the same secret, and others that hold its new content may use the image too.
  assert.equal(await may(pulled, [credential('a', 'renewed')]), true);
  assert.equal(await may(pulled, [credential('d', 'renewed')]), true);
  // Created again under its name, it is another secret.
  assert.equal(await may(pulled, [credential('a', 'other', 'uid2')]), false);
  await pulled.begin(name);
  await pulled.succeeded(name, image().id, undefined);
  assert.equal(await may(pulled), true);
});

test('the same image under the name of another repository is verified by itself', async () => {
  const pulled = create();
  await pulled.succeeded(name, image().id, undefined);
  assert.equal(await may(pulled, [], parseImageName('r.io/team/app:2') as ImageName), true);
  assert.equal(await may(pulled, [], parseImageName('r.io/other/app:1') as ImageName), false);
});

test('policies say for which images that is asked at all', async () => {
  const preloaded = (verification: Partial<Verification>) => may(create(verification));
  assert.equal(await preloaded({ policy: 'NeverVerifyPreloadedImages' }), true);
  assert.equal(await preloaded({ policy: 'AlwaysVerify' }), false);
  const listed = (...allowlist: string[]) => preloaded({ policy: 'NeverVerifyAllowlistedImages', allowlist });
  assert.equal(await listed(), false);
  assert.equal(await listed('r.io/team/app'), true);
  assert.equal(await listed('r.io/team/*'), true);
  assert.equal(await listed('r.io/te/*'), false);
  const never = create({ policy: 'NeverVerify' });
  await never.succeeded(name, image().id, credential('a', 'right'));
  assert.equal(await may(never), true);
});

test('the record of pulled images survives a kubelet killed between a pull and its record', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'pulled-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'image_manager', 'pulled.json');
  const first = create({}, file);
  await first.succeeded(name, image().id, credential('a', 'right'));
  const late = parseImageName('r.io/late:1') as ImageName;
  await first.begin(late);
  const second = create({}, file);
  assert.equal(await may(second), false);
  assert.equal(await may(second, [credential('a', 'right')]), true);
  assert.equal(await may(second, [], late, 'sha256:late'), false);
  // A failed pull gives no other pod access.
  await second.begin(late);
  await second.failed(late);
  assert.equal(await may(second, [], late, 'sha256:late'), false);
});

test('a pull that goes on beside others of its name stays on record until it ends', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'pulled-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'pulled.json');
  const first = create({}, file);
  for (let pull = 0; pull < 2; pull++) await first.begin(name);
  await first.succeeded(name, image().id, credential('a', 'right'));
  await first.begin(name);
  await first.failed(name);
  // The kubelet is killed now: what arrived meanwhile is no preloaded image.
  assert.equal(await may(create({}, file), [], name, 'sha256:half'), false);
});

test('an image that is gone is forgotten, one that comes while they are listed is not', async () => {
  const pulled = create();
  await pulled.succeeded(name, 'sha256:gone', credential('a', 'right'));
  await pulled.prune(async () => {
    await pulled.succeeded(name, 'sha256:new', credential('a', 'right'));
    return new Set<string>();
  });
  assert.equal(await may(pulled, [], name, 'sha256:gone'), true);
  assert.equal(await may(pulled, [], name, 'sha256:new'), false);
});

test('a pull that could not be put on record has not begun, and neither has the next', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'pulled-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'file'), '');
  const pulled = create({}, join(folder, 'file', 'pulled.json'));
  for (let tries = 0; tries < 2; tries++) await assert.rejects(pulled.begin(name), { code: 'EEXIST' });
  assert.equal(await may(pulled), true, 'what is there was there before');
});
