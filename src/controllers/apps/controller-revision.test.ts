import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodTemplateSpec } from '../../api/types/core-v1.gen.ts';
import { revisionData } from './controller-revision.ts';

test('the data of a revision has its keys sorted, as kubectl writes what it compares with', () => {
  const template = {
    spec: { containers: [{ name: 'a', image: 'b' }] },
    metadata: { labels: { z: '1', a: '2' } },
  };
  assert.equal(
    JSON.stringify(revisionData(template as unknown as PodTemplateSpec)),
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","z":"1"}},"spec":{"containers":[{"image":"b","name":"a"}]}}}}',
  );
});
