/** What every cluster holds from its first moment on. */
import type { Registry } from '../registry/registry.ts';
import type { IpRange } from '../services/ip-range.ts';
import { ensureFlowControl } from './flow-control.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { ensureNamespaces } from './namespaces.ts';
import { ensurePriorityClasses } from './priority-classes.ts';
import { ensureRbac } from './rbac.ts';

export async function bootstrap(registry: Registry, serviceRange: IpRange): Promise<void> {
  await ensureNamespaces(registry);
  await ensurePriorityClasses(registry);
  await ensureFlowControl(registry);
  await ensureRbac(registry);
  await ensureKubernetesService(registry, serviceRange);
}

/** How soon deleted objects that the server depends on are recreated; upstream's period. */
const keepMs = 60_000;

/** Resolves some time after the signal. */
export async function keepBootstrapObjects(registry: Registry, signal: AbortSignal): Promise<void> {
  const { clock, logger } = registry;
  const hasSlept = () =>
    clock.sleep(keepMs, signal).then(
      () => true,
      () => false,
    );
  while (await hasSlept()) {
    try {
      await ensureNamespaces(registry);
      await ensureFlowControl(registry);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('what every cluster has could not be written; the next round tries again', { error });
    }
  }
}
