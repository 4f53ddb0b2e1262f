import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import { observedPod, testContainer, testPod, testSandbox } from '../pod.fixture.ts';
import { PodEnd } from './end/pod-end.ts';
import type { PodRecord } from './pod-record.ts';
import { PodSync } from './pod-sync.ts';

test('a pod whose control group cannot be made says so in an event', async () => {
  const events: string[] = [];
  const event = (_target: object, type: string, reason: string, message: string) =>
    void events.push(`${type} ${reason} ${message}`);
  const sync = new PodSync(
    sparse<PodRecord>({
      context: sparse<KubeletContext>({ recorder: { event } }),
      pod: testPod(),
      observed: observedPod(),
      waiting: { showHeldBack: () => undefined, dropOutdated: () => undefined },
      report: () => undefined,
      releaseView: () => undefined,
      resources: {
        settle: () => undefined,
        apply: () => Promise.reject(new Error('cannot write 1 to pids.max')),
      },
    }),
  );
  await assert.rejects(sync.run(), /pids\.max/);
  assert.deepEqual(events, [
    'Warning FailedCreatePodContainer unable to ensure pod container exists: cannot write 1 to pids.max',
  ]);
});

test('containers that end with their sandbox and start again in the next are not seen to have ended', async () => {
  const log: string[] = [];
  const note = (text: string) => () => void log.push(text);
  const container = testContainer('c');
  const observed = { sandboxes: [testSandbox({ ready: false })], containers: [container] };
  const sync = new PodSync(
    sparse<PodRecord>({
      context: sparse<KubeletContext>({
        clock: new VirtualClock(),
        signal: new AbortController().signal,
        recorder: { event: (_target: object, _type: string, reason: string) => void log.push(reason) },
        volumes: { setUp: async () => new Map() },
        probes: { findings: () => ({}) },
        runtime: {
          stopContainer: async () => void log.push('stopped'),
          stopPodSandbox: async () => undefined,
        },
        // It goes no further then.
        networkProblem: () => 'no network yet',
        clusterDns: [],
        clusterDomain: 'cluster.local',
        machine: {
          files: {
            hostResolver: async () => ({ servers: [], searches: [], options: [] }),
            podLogsDir: '/logs',
          },
        },
        userNamespaces: { find: async () => undefined },
      } as never),
      pod: testPod({ restartPolicy: 'OnFailure' }),
      granted: testPod({ restartPolicy: 'OnFailure' }),
      observed,
      view: { hasRunning: true },
      end: new PodEnd(),
      timer: { within: () => undefined },
      waiting: { showHeldBack: () => undefined, dropOutdated: () => undefined },
      report: () => undefined,
      holdView: note('held'),
      releaseView: note('released'),
      resources: { settle: () => undefined, apply: async () => undefined, isUnfinished: false },
    } as never),
  );
  await sync.run();
  assert.deepEqual(log, ['SandboxChanged', 'held', 'Killing', 'stopped', 'NetworkNotReady', 'released']);
});
