import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { dataFolder } from '../data-folder.ts';
import {
  listClusterRecords,
  loadClusterRecord,
  newClusterRecord,
  noSuchCluster,
  saveClusterRecord,
} from './cluster-record.ts';

const data = dataFolder(mkdtempSync(join(tmpdir(), 'wherry-records-')));
after(() => rmSync(data.path, { recursive: true }));

test('a command about an unknown cluster names the existing ones', () => {
  assert.equal(noSuchCluster(data, 'wherry').advice, 'make it: wherry up');
  assert.equal(noSuchCluster(data, 'blue').advice, 'make it: wherry up --name blue');
  for (const name of ['green', 'red']) saveClusterRecord(data.cluster(name), newClusterRecord(name, 6443));
  const failure = noSuchCluster(data, 'wherry');
  assert.equal(failure.message, 'there is no cluster wherry');
  assert.equal(failure.advice, 'make it: wherry up, or choose one that there is: --name green, --name red');
});

test('a damaged record is named, and stands in the way of no other cluster', () => {
  saveClusterRecord(data.cluster('damaged'), newClusterRecord('damaged', 6443));
  for (const text of ['', '{"name": "dam']) {
    writeFileSync(data.cluster('damaged').record, text);
    assert.throws(() => loadClusterRecord(data.cluster('damaged')), {
      name: 'Failure',
      message: `${data.cluster('damaged').record} is damaged`,
    });
    assert.deepEqual(
      listClusterRecords(data).map((record) => record.name),
      ['green', 'red'],
    );
  }
});

test('what a cluster without its record has is not taken for nothing', () => {
  for (const kept of ['store', 'pki'] as const) {
    const folder = data.cluster(`lost-${kept}`);
    mkdirSync(folder[kept], { recursive: true });
    assert.throws(() => loadClusterRecord(folder), {
      name: 'Failure',
      message: `${folder.record} is missing`,
    });
  }
  assert.deepEqual(
    listClusterRecords(data).map((record) => record.name),
    ['green', 'red'],
  );
});
