/**
 * Controllers are stopped at any point and restarted, their requests and answers get lost, their watches break off and
 * lag: no promise is broken, and in the end everything is as requested. SEEDS=5000 node --test … for a long run (it
 * continues after a seed that fails), SEED=17 SEEDS=1 to repeat that one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batch, evictions, runSeed, type Scenario, services } from './fault-scenarios.ts';
import { upkeep } from './upkeep-scenario.ts';

const seeds = Number(process.env.SEEDS ?? 10);
const firstSeed = Number(process.env.SEED ?? 1);
/** Failing seeds after which a run stops. */
const failuresMax = 20;

test(`${seeds} seeded runs with faults keep every promise`, async () => {
  await assertKept(services);
});

test(`${seeds} seeded runs with faults keep what jobs promise`, async () => {
  await assertKept(batch);
});

test(`${seeds} seeded runs with faults keep what budgets promise`, async () => {
  await assertKept(evictions);
});

test(`${seeds} seeded runs with faults keep nodes, namespaces, quotas and services right`, async () => {
  await assertKept(upkeep);
});

async function assertKept(scenario: Scenario): Promise<void> {
  const failed: Record<string, string[]> = {};
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const problems = await runSeed(scenario, seed);
    if (problems.length > 0) failed[`SEED=${seed}`] = problems;
    if (Object.keys(failed).length === failuresMax) break;
  }
  assert.deepEqual(failed, {});
}
