/** Evictions of pods that a budget guards, by a client whose own connection is good. */
import type { Draft } from '../../../src/api/meta.ts';
import { Pod, PodDisruptionBudget, ReplicaSet } from '../../../src/api/resources.gen.ts';
import { StatusError } from '../../../src/api/status.ts';
import { replicaSetOf } from '../workloads.ts';
import { namespace, type Run, type Scenario, settlesWithinMs } from './run-seed.ts';
import { findUnsettled } from './unsettled.ts';

const guarded = { app: 'guarded' };

export const evictions: Scenario = {
  nodes: 2,
  controllers: ['replicaset', 'statefulset', 'disruption', 'staledisruption'],
  pauseMs: 8_000,
  async begin({ client, clock, checker }) {
    checker.expect('guarded', { most: 5, fewest: 3 });
    await client.create(ReplicaSet, replicaSetOf('guarded', 4));
    await client.create(PodDisruptionBudget, {
      metadata: { name: 'guarded', namespace },
      spec: { minAvailable: 3, selector: { matchLabels: guarded } },
    } as Draft<PodDisruptionBudget>);
    await clock.advanceUntil(
      async () => (await findUnsettled(client, namespace)).length === 0,
      settlesWithinMs,
    );
  },
  changes: [evictSome, evictSome, evictSome, lowerTheBar],
};

/** Tries several at once: the budget lets no more of them go than it may. */
async function evictSome({ client, random }: Run): Promise<void> {
  const { items } = await client.list(Pod, { namespace, labelSelector: 'app=guarded' });
  const chosen = items.filter(() => random.next() < 0.6);
  await Promise.all(
    chosen.map(async ({ metadata: { name } }) => {
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
      await client
        .createSubresource(Pod, { name, namespace }, eviction, { subresource: 'eviction' })
        .catch((error: unknown) => {
          if (!(error instanceof StatusError && [404, 409, 429].includes(error.code))) throw error;
        });
    }),
  );
}

/** A changed budget counts again before it allows further disruptions. */
async function lowerTheBar({ client, random }: Run): Promise<void> {
  const maxUnavailable = random.next() < 0.5 ? 1 : '25%';
  const spec = { minAvailable: null, maxUnavailable };
  await client.patch(PodDisruptionBudget, { name: 'guarded', namespace }, { spec }, { type: 'merge' });
}
