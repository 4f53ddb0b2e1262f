import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { parseSchedulerConfiguration } from './kube-scheduler-configuration.ts';

const head = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' };
const profile = (more: object) => ({ ...head, profiles: [more] });

const wrong: [what: string, file: unknown, message: string][] = [
  ['profiles', { ...head, profiles: {} }, 'profiles: a list is wanted'],
  ['a profile', { ...head, profiles: [null] }, 'profiles[0]: null is nothing'],
  ['plugins', profile({ plugins: [] }), 'profiles[0].plugins: an object is wanted'],
  [
    'what is disabled',
    profile({ plugins: { score: { disabled: 'NodeName' } } }),
    'profiles[0].plugins.score.disabled: a list is wanted',
  ],
  [
    'a weight',
    profile({ plugins: { multiPoint: { enabled: [{ name: 'NodeName', weight: '2' }] } } }),
    'profiles[0].plugins.multiPoint.enabled[0].weight: a number is wanted',
  ],
  [
    'arguments of a plugin',
    profile({ pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy: { resources: {} } } }] }),
    'scoringStrategy.resources: a list is wanted',
  ],
  ['a time', { ...head, podMaxBackoffSeconds: '10s' }, 'podMaxBackoffSeconds: a number is wanted'],
];
for (const [what, file, message] of wrong)
  test(`a file with another form is refused: ${what}`, () =>
    assert.throws(() => parseSchedulerConfiguration(file), { message }));

test('a file of any form gives profiles, or an error that is meant', () => {
  const random = seededRandom(20_261_128);
  const below = (bound: number) => Math.floor(random.next() * bound);
  const names = ['enabled', 'disabled', 'name', 'args', 'plugins', 'score', 'multiPoint', 'pluginConfig'];
  const leaves = [null, 0, Number.NaN, true, '', 'NodeName', 'NodeResourcesFit', [], {}];
  const any = (depth = 0): unknown => {
    const form = below(4);
    if (depth > 4 || form < 2) return leaves[below(leaves.length)];
    const parts = Array.from({ length: below(3) }, () => any(depth + 1));
    return form === 2 ? parts : Object.fromEntries(parts.map((part) => [names[below(names.length)], part]));
  };
  for (let round = 0; round < 5_000; round++) {
    try {
      parseSchedulerConfiguration(
        below(3) === 0 ? { ...head, profiles: any() } : profile({ plugins: any() }),
      );
    } catch (error) {
      assert.equal((error as Error).constructor, Error, (error as Error).stack);
    }
  }
});
