import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attributes, Decision } from '../authorization/authorizer.ts';
import { AccessAnswers } from './access-answers.ts';

const about = (name: string) => ({ name }) as Attributes;

test('questions about access that fail one after the other fail the judgement, and nothing else', async () => {
  const failing = async ({ name }: Attributes): Promise<Decision> => {
    for (let turns = name === 'slow' ? 3 : 0; turns >= 0; turns--) await new Promise(setImmediate);
    throw new Error(`no answer about ${name}`);
  };
  const answers = new AccessAnswers(failing);
  const asked = answers.settled(() => {
    // Like the two sides of an `||`, each of which may fail.
    for (const name of ['slow', 'quick']) {
      try {
        answers.to(about(name));
      } catch {
        // It is to come.
      }
    }
  });
  await assert.rejects(asked, /no answer about quick/);
  await new Promise((resolve) => setTimeout(resolve, 5));
});

test('what two expressions ask at once is asked once', async () => {
  const asked: string[] = [];
  const answers = new AccessAnswers(async ({ name }) => {
    asked.push(name);
    return { allowed: name === 'a' } as Decision;
  });
  const outcome = await answers.settled(() => {
    // Match conditions go on after one that failed.
    const outcomes = ['a', 'a', 'b'].map((name) => {
      try {
        return answers.to(about(name)).allowed;
      } catch (error) {
        return error;
      }
    });
    return outcomes.join(' ');
  });
  assert.equal(outcome, 'true true false');
  assert.deepEqual(asked, ['a', 'b']);
});
