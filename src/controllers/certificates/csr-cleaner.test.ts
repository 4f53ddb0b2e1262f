import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { isDone, runCsrCleaner } from './csr-cleaner.ts';

const hourMs = 3_600_000;

test('a request whose certificate cannot be read keeps no other from being removed', async () => {
  const clock = new VirtualClock();
  const at = (ms: number) => new Date(clock.now() + ms).toISOString();
  const request = (name: string, status: object) =>
    sparse<CertificateSigningRequest>({ metadata: { name, uid: name, creationTimestamp: at(0) }, status });
  const approved = { type: 'Approved', status: 'True', lastUpdateTime: at(hourMs) };
  const requests = [
    request('odd', { certificate: 'bm90aGluZw==', conditions: [approved] }),
    request('denied', { conditions: [{ type: 'Denied', status: 'True', lastUpdateTime: at(-hourMs) }] }),
  ];
  const removed: string[] = [];
  const stop = new AbortController();
  const running = runCsrCleaner(
    sparse<ControllerEnvironment>({
      clock,
      logger: { for: () => silentLogger },
      informers: { of: () => ({ list: () => requests }), synced: async () => undefined },
      client: { delete: async (_type: unknown, { name }: { name: string }) => void removed.push(name) },
    }),
    stop.signal,
  );
  await clock.advance(hourMs);
  assert.deepEqual(removed, ['denied']);
  stop.abort();
  await running;
});

const nowMs = Date.parse('2026-01-10T00:00:00Z');
const ago = (hours: number) => new Date(nowMs - hours * hourMs).toISOString();
const condition = (type: string, hours: number) => ({ type, status: 'True', lastUpdateTime: ago(hours) });

for (const [what, created, status, expected] of [
  ['pending for less than a day', 23, {}, false],
  ['pending for more than a day', 25, {}, true],
  ['denied for less than an hour', 48, { conditions: [condition('Denied', 0.9)] }, false],
  ['denied for more than an hour', 48, { conditions: [condition('Denied', 1.1)] }, true],
  ['failed for more than an hour', 48, { conditions: [condition('Failed', 1.1)] }, true],
  ['approved long ago, and not signed yet', 48, { conditions: [condition('Approved', 47)] }, false],
  ['signed', 48, { certificate: 'x', conditions: [condition('Approved', 1.1)] }, true],
] as const)
  test(`a request ${what} is ${expected ? 'removed' : 'kept'}`, () => {
    const csr = sparse<CertificateSigningRequest>({ metadata: { creationTimestamp: ago(created) }, status });
    assert.equal(isDone(csr, nowMs), expected);
  });
