/** What every cluster holds from its first moment on. */
import { StatusError } from '../../api/status.ts';
import type { Registry } from '../registry/registry.ts';
import type { IpRange } from '../services/ip-range.ts';
import { ensureFlowControl } from './flow-control.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { ensureNamespaces } from './namespaces.ts';
import { ensurePriorityClasses } from './priority-classes.ts';
import { ensureRbac } from './rbac.ts';
import { ensureTokenTracking } from './token-tracking.ts';

type Step = (registry: Registry) => Promise<void>;

/**
 * Returns the steps that were refused. A webhook that is away refuses writes, and can be mended only through a server
 * that runs.
 */
export async function bootstrap(registry: Registry, serviceRange: IpRange): Promise<readonly Step[]> {
  return await refusedOf(registry, [
    ensureNamespaces,
    ensurePriorityClasses,
    ensureFlowControl,
    ensureRbac,
    ensureTokenTracking,
    () => ensureKubernetesService(registry, serviceRange),
  ]);
}

async function refusedOf(registry: Registry, steps: readonly Step[]): Promise<Step[]> {
  const refused: Step[] = [];
  for (const step of steps)
    try {
      await step(registry);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      registry.logger.warn('what every cluster has could not be written; it is tried again', { error });
      refused.push(step);
    }
  return refused;
}

/** How soon deleted objects that the server depends on are recreated; upstream's period. */
const keepMs = 60_000;

/** `refused`: what is still to be written. Resolves some time after the signal. */
export async function keepBootstrapObjects(
  registry: Registry,
  signal: AbortSignal,
  refused: readonly Step[],
): Promise<void> {
  let missing = refused;
  const { clock, logger } = registry;
  const hasSlept = () =>
    clock.sleep(keepMs, signal).then(
      () => true,
      () => false,
    );
  while (await hasSlept()) {
    try {
      missing = await refusedOf(registry, missing);
      await ensureNamespaces(registry);
      await ensureFlowControl(registry);
      await ensureTokenTracking(registry);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('what every cluster has could not be written; the next round tries again', { error });
    }
  }
}
