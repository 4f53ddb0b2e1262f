import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuantity } from '../../../api/quantities/quantity.ts';
import { ResourceClaim, ResourceQuota } from '../../../api/resources.gen.ts';
import { StatusError } from '../../../api/status.ts';
import { FakeObjects } from '../../object-reader.fake.ts';
import { QuotaLedger } from './quota-ledger.ts';

const refuse = (why: string) => new StatusError(403, 'Forbidden', why);
const onePod = (quota: string) => ({ quota, amounts: new Map([['pods', parseQuantity('1')]]), refuse });

/** Two quotas of ten pods; `failing` names those whose status cannot be written. */
function createLedger(failing: ReadonlySet<string>) {
  const objects = new FakeObjects();
  const put = (name: string, used: string) =>
    objects.put(ResourceQuota, {
      metadata: { name, namespace: 'a' },
      spec: { hard: { pods: '10' } },
      status: { hard: { pods: '10' }, used: { pods: used } },
    });
  put('first', '3');
  put('second', '3');
  const ledger = new QuotaLedger(objects, async ({ metadata, status }) => {
    if (failing.has(metadata.name)) throw new StatusError(503, 'ServiceUnavailable', 'not now');
    put(metadata.name, status!.used!.pods!);
  });
  const usedOf = (name: string) => objects.get(ResourceQuota, 'a', name)?.status?.used?.pods;
  return { ledger, usedOf };
}

test('a request whose second quota cannot be written gets back what the first was charged', async () => {
  const { ledger, usedOf } = createLedger(new Set(['second']));
  await assert.rejects(ledger.take('a', [onePod('first'), onePod('second')]), /not now/);
  assert.deepEqual([usedOf('first'), usedOf('second')], ['3', '3']);
  await ledger.take('a', [onePod('first')]);
  assert.equal(usedOf('first'), '4');
});

test('requests that wait together are charged together, and refused one by one', async () => {
  const { ledger, usedOf } = createLedger(new Set());
  const outcomes = await Promise.allSettled(
    Array.from({ length: 9 }, () => ledger.take('a', [onePod('first')])),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 7);
  assert.equal(usedOf('first'), '10');
});

test('what a new quota does not tell yet is counted, devices included', () => {
  const objects = new FakeObjects();
  const hard = { 'gold.deviceclass.resource.k8s.io/devices': '3' };
  objects.put(ResourceQuota, { metadata: { name: 'q', namespace: 'a' }, spec: { hard } });
  const exactly = { deviceClassName: 'gold', count: 2 };
  objects.put(ResourceClaim, {
    metadata: { name: 'c', namespace: 'a' },
    spec: { devices: { requests: [{ name: 'r', exactly }] } },
  });
  const ledger = new QuotaLedger(objects, async () => undefined);
  const devices = (count: string) => ({
    quota: 'q',
    amounts: new Map([[Object.keys(hard)[0]!, parseQuantity(count)]]),
    refuse,
  });
  ledger.check('a', [devices('1')]);
  assert.throws(() => ledger.check('a', [devices('2')]), /exceeded quota: q, requested: .*=2, used: .*=2/);
});
