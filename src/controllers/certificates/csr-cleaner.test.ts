import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { runCsrCleaner } from './csr-cleaner.ts';

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
