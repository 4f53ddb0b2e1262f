/** Carries out what is planned for the slices of a Service. */
import { EndpointSlice } from '../../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../../api/status.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { reportRefusal } from './endpoint-refusal.ts';
import type { SlicePlan } from './endpointslice-plan.ts';

/** `report` is called for writes that the server refuses, with what was tried and why it failed. */
export async function applySlicePlan(
  cluster: ReconcileCluster,
  plan: SlicePlan,
  signal: AbortSignal,
  report: (act: string, why: string) => void = () => undefined,
): Promise<void> {
  const tell = (act: string) => (why: string) => report(act, why);
  for (const slice of plan.create)
    await reportRefusal(cluster.create(EndpointSlice, slice, signal), tell('create EndpointSlice'));
  for (const slice of plan.update)
    await reportRefusal(
      cluster.update(EndpointSlice, slice, signal).catch(undefinedIfNotFound),
      tell(`update ${slice.metadata.name} EndpointSlice`),
    );
  for (const slice of plan.remove)
    await reportRefusal(
      cluster.delete(EndpointSlice, slice, signal),
      tell(`delete ${slice.metadata.name} EndpointSlice`),
    );
}
