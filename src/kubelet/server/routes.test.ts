import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { testContainer, testPod } from '../pod.fixture.ts';
import { Routes } from './routes.ts';

test('a log is followed while the runtime is too busy to say whether the container runs', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-routes-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const logPath = join(folder, '0.log');
  const line = (text: string) => `2026-01-01T00:00:00Z stdout F ${text}\n`;
  writeFileSync(logPath, line('one'));
  const answers = [
    () => {
      throw new RuntimeError('DeadlineExceeded', 'it took too long');
    },
    () => {
      appendFileSync(logPath, line('two'));
      return { state: 'CONTAINER_EXITED' };
    },
  ];
  const worker = {
    pod: testPod(),
    observed: { sandboxes: [], containers: [testContainer('c', { logPath })] },
    looked: async () => undefined,
    waitingReason: () => undefined,
  };
  const kubelet = sparse<Kubelet>({
    context: {
      clock: systemClock,
      logger: silentLogger,
      runtime: { containerStatus: async () => answers.shift()!() },
    },
    pods: { findByName: () => worker },
    started: Promise.resolve(),
  });
  const routes = new Routes(kubelet, new MetricsRegistry());
  const server = createServer((request, response) => {
    void routes.answer(request, response, new URL(request.url!, 'http://node'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // As Python's client writes it.
  const answer = await fetch(`http://127.0.0.1:${port}/containerLogs/ns/p/c?follow=True`);
  assert.equal(await answer.text(), 'one\ntwo\n');
  server.close();
});
