import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packRows, unpackRows } from './packed-rows.ts';

test('rows of every size come out as they went in', () => {
  const sizes = [0, 1, 1_000, 64 * 1024, 0, 64 * 1024 - 1, 1, 1, 200_000, 3, 60_000, 5_000, 0];
  const rows = sizes.map((size, index) => ({
    key: `/registry/k/${index}`,
    revision: index + 10,
    createRevision: index + 5,
    value: new Uint8Array(size).fill(index),
  }));
  const packed = packRows(rows);
  const entries = [...unpackRows(packed)];
  assert.deepEqual(
    entries.map(({ key, modRevision, createRevision, value }) => ({
      key,
      revision: modRevision,
      createRevision,
      value: new Uint8Array(value),
    })),
    rows,
  );
  const total = packed.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  assert.equal(
    total,
    sizes.reduce((sum, size) => sum + size),
  );
});

test('no rows are no chunks', () => {
  assert.deepEqual([...unpackRows(packRows([]))], []);
});
