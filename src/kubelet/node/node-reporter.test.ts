import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../cri/messages.ts';
import { nodeImages } from './node-reporter.ts';

const image = (id: string, size: number, repoTags = [id]): Image => ({
  id,
  size,
  repoTags,
  repoDigests: [],
  username: '',
  pinned: false,
});
const namesOf = (images: readonly Image[]) => nodeImages(images).map(({ names }) => names?.[0]);

test('the same images give the same status, in whatever order the runtime lists them', () => {
  const images = [image('a', 5), image('b', 5), image('c', 5), image('d', 9)];
  assert.deepEqual(namesOf(images), ['d', 'c', 'b', 'a']);
  assert.deepEqual(namesOf(images.toReversed()), ['d', 'c', 'b', 'a']);
});

test('the largest fifty images are named, each by five names', () => {
  const many = Array.from({ length: 60 }, (_, at) => image(`i${at}`, at));
  assert.equal(nodeImages(many).length, 50);
  assert.equal(namesOf(many)[0], 'i59');
  assert.deepEqual(nodeImages([image('a', 1, ['1', '2', '3', '4', '5', '6'])])[0]?.names?.length, 5);
});
