/**
 * Controllers are stopped at any point and restarted, their requests and answers get lost, their watches break off and
 * lag: no promise is broken, and in the end everything is as requested. SEEDS=5000 node --test … for a long run (it
 * continues after a seed that fails), SEED=17 SEEDS=1 to repeat that one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addresses } from './faults/addresses-scenario.ts';
import { aggregation } from './faults/aggregation-scenario.ts';
import { autoscaling } from './faults/autoscaling-scenario.ts';
import { batch } from './faults/batch-scenario.ts';
import { certificates } from './faults/certificates-scenario.ts';
import { devices } from './faults/devices-scenario.ts';
import { evictions } from './faults/evictions-scenario.ts';
import { identity } from './faults/identity-scenario.ts';
import { mirroring } from './faults/mirroring-scenario.ts';
import { namespaces } from './faults/namespaces-scenario.ts';
import { runSeed, type Scenario } from './faults/run-seed.ts';
import { services } from './faults/services-scenario.ts';
import { statefulClaims } from './faults/stateful-claims-scenario.ts';
import { upkeep } from './faults/upkeep-scenario.ts';
import { volumes } from './faults/volumes-scenario.ts';

const seedsAsked = process.env.SEEDS;
const firstSeed = Number(process.env.SEED ?? 1);
/** Failing seeds after which a run stops. */
const failuresMax = 20;

const suites: readonly { keep: string; scenario: Scenario; seeds: number }[] = [
  { keep: 'every promise', scenario: services, seeds: 6 },
  { keep: 'what jobs promise', scenario: batch, seeds: 6 },
  { keep: 'what budgets promise', scenario: evictions, seeds: 6 },
  { keep: 'nodes, namespaces, quotas and services right', scenario: upkeep, seeds: 6 },
  { keep: 'namespaces apart from their predecessors', scenario: namespaces, seeds: 2 },
  { keep: 'claims and volumes together', scenario: volumes, seeds: 2 },
  { keep: 'the claims of sets and pods as long as they should', scenario: statefulClaims, seeds: 2 },
  { keep: 'what proves identities', scenario: identity, seeds: 2 },
  { keep: 'certificate requests right', scenario: certificates, seeds: 2 },
  { keep: 'aggregated roles whole', scenario: aggregation, seeds: 2 },
  { keep: 'mirrored endpoints right', scenario: mirroring, seeds: 2 },
  { keep: 'autoscaled workloads within their bounds', scenario: autoscaling, seeds: 2 },
  { keep: 'devices with their users', scenario: devices, seeds: 2 },
  { keep: 'addresses apart', scenario: addresses, seeds: 2 },
];

for (const { keep, scenario, seeds: usual } of suites) {
  const seeds = Number(seedsAsked ?? usual);
  test(`${seeds} seeded runs with faults keep ${keep}`, async () => {
    const failed: Record<string, string[]> = {};
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const problems = await runSeed(scenario, seed);
      if (problems.length > 0) failed[`SEED=${seed}`] = problems;
      if (Object.keys(failed).length === failuresMax) break;
    }
    assert.deepEqual(failed, {});
  });
}
