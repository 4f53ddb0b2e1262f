import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwaitedVictims, type VictimState } from './awaited-victims.ts';

test('a preemptor waits for the last of its victims, and learns the worst that became of them', () => {
  const rows: readonly (readonly [states: readonly VictimState[], worst: VictimState])[] = [
    [['gone', 'gone'], 'gone'],
    [['going', 'gone'], 'going'],
    [['stays', 'going', 'gone'], 'stays'],
    [['gone', 'stays'], 'stays'],
  ];
  for (const [states, worst] of rows) {
    const awaited = new AwaitedVictims<string>();
    const victims = states.map((_, index) => `victim ${index}`);
    awaited.add('preemptor', victims);
    const answers = victims.map((victim, index) => awaited.settle(victim, states[index]!));
    const expected = victims.map((_, index) =>
      index === victims.length - 1 ? [{ preemptor: 'preemptor', worst }] : [],
    );
    assert.deepEqual(answers, expected);
  }
});

test('all who share a victim learn of it once', () => {
  const awaited = new AwaitedVictims<string>();
  awaited.add('one', ['shared']);
  awaited.add('other', ['shared', 'own']);
  assert.deepEqual(awaited.settle('shared', 'going'), [{ preemptor: 'one', worst: 'going' }]);
  assert.deepEqual(awaited.settle('shared', 'stays'), []);
  assert.deepEqual(awaited.settle('own', 'gone'), [{ preemptor: 'other', worst: 'going' }]);
  assert.deepEqual(awaited.settle('unknown', 'gone'), []);
});
