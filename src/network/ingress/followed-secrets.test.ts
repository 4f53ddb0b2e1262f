import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Secret } from '../../api/resources.gen.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { FollowedSecrets } from './followed-secrets.ts';

it('secrets are followed while they are named, and no longer', async () => {
  const informers = createFakeInformers();
  let changes = 0;
  const secrets = new FollowedSecrets(informers, () => changes++);
  for (const name of ['a', 'b']) informers.put(Secret, { metadata: { name } });
  await secrets.follow(new Set(['default/a', 'default/b', 'default/no name', 'nowhere']));
  assert.deepEqual([...informers.followed], ['metadata.name=a', 'metadata.name=b']);
  assert.equal(secrets.get('default/a')?.metadata.name, 'a');
  await secrets.follow(new Set(['default/b']));
  assert.deepEqual([...informers.followed], ['metadata.name=b']);
  assert.equal(secrets.get('default/a'), undefined);
  changes = 0;
  informers.put(Secret, { metadata: { name: 'b' } });
  assert.equal(changes, 1);
  await secrets.follow(new Set());
  assert.equal(informers.followed.size, 0);
  informers.put(Secret, { metadata: { name: 'b' } });
  assert.equal(changes, 1);
});
