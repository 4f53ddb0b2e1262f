import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { staleInMs } from './stale-disruption.ts';

const nowMs = Date.parse('2026-01-01T00:01:00Z');
const pod = (condition: object, more: { metadata?: object; phase?: 'Failed' } = {}) =>
  sparse<Pod>({
    metadata: { ...more.metadata },
    status: {
      phase: more.phase ?? 'Running',
      conditions: [
        {
          type: 'DisruptionTarget',
          status: 'True',
          lastTransitionTime: '2026-01-01T00:00:00Z',
          ...condition,
        },
      ],
    },
  });

for (const [what, given, expected] of [
  ['for a minute', pod({}), 60_000],
  ['for three minutes', pod({ lastTransitionTime: '2025-12-31T23:58:00Z' }), 0],
  ['no longer', pod({ status: 'False' }), undefined],
  ['by its kubelet, which takes its time', pod({ reason: 'TerminationByKubelet' }), undefined],
  ['and deleted', pod({}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), undefined],
  ['and ended', pod({}, { phase: 'Failed' }), undefined],
] as const)
  test(`a pod that is announced to go ${what}: stale in ${expected} ms`, () => {
    assert.equal(staleInMs(given, nowMs), expected);
  });
