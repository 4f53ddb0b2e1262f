import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sparse } from '../base/sparse.fixture.ts';
import type { ClusterContext } from './cluster/cluster-context.ts';
import { up } from './cluster.ts';
import { dataFolder } from './data-folder.ts';

const data = dataFolder(mkdtempSync(join(tmpdir(), 'wherry-cluster-')));
after(() => rmSync(data.path, { recursive: true }));

test('a cluster that cannot be as it is wanted leaves nothing that would hold for a later one of its name', async () => {
  const context = sparse<ClusterContext>({ data });
  const schedulerConfigFile = join(data.path, 'scheduler.yaml');
  writeFileSync(schedulerConfigFile, '');
  const registriesFolder = join(data.path, 'missing');
  const folder = data.cluster('blue').path;
  await assert.rejects(
    up(context, { name: 'blue', nodes: 1000, schedulerConfigFile }),
    /a cluster on one machine has at most \d+ nodes/,
  );
  assert.ok(!existsSync(folder));
  await assert.rejects(up(context, { name: 'blue', schedulerConfigFile, registriesFolder }), /--registries/);
  assert.ok(!existsSync(folder));
});

test('a cluster whose record is lost keeps the rest, whatever it is wanted to be', async () => {
  const folder = data.cluster('lost');
  mkdirSync(folder.store, { recursive: true });
  const store = join(folder.store, 'wherry.db');
  writeFileSync(store, 'objects');
  await assert.rejects(
    up(sparse<ClusterContext>({ data }), { name: 'lost', nodes: 1000 }),
    /cluster\.json is missing$/,
  );
  assert.equal(readFileSync(store, 'utf8'), 'objects');
});
