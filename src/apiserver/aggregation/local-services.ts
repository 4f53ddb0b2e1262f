/** An APIService for every group version that this server answers itself, so that `kubectl get apiservices` is complete. */
import { APIService } from '../../api/resources.gen.ts';
import { ignoreAlreadyExists } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';
import { prioritiesOf } from './priorities.ts';

const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';
/** Definitions come in bundles; one round serves them all. */
const settleMs = 100;

export interface LocalServices {
  /** Those of the start are all there. */
  isComplete(): boolean;
}

/** Makes what is missing, removes what is no longer served, now and whenever the kinds change. */
export function followLocalServices(options: {
  kinds: KindRegistry;
  client: Client;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}): LocalServices {
  const { kinds, clock, logger, signal } = options;
  let [scheduled, isComplete] = [false, false];
  const bringInLine = async () => {
    scheduled = false;
    if (signal.aborted) return;
    try {
      await reconcile(options);
      isComplete = true;
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('the APIServices of this server could not be brought in line; they are tried again', {
        error,
      });
      schedule();
    }
  };
  const schedule = (delayMs = settleMs) => {
    if (scheduled || signal.aborted) return;
    scheduled = true;
    clock.after(delayMs, bringInLine);
  };
  const stop = kinds.onChange(() => schedule());
  signal.addEventListener('abort', stop, { once: true });
  schedule(0);
  return { isComplete: () => isComplete };
}

async function reconcile({
  kinds,
  client,
  signal,
}: {
  kinds: KindRegistry;
  client: Client;
  signal: AbortSignal;
}): Promise<void> {
  const wanted = new Map<string, { group: string; version: string }>();
  for (const { group, version } of kinds.all()) wanted.set(`${version}.${group}`, { group, version });
  const { items } = await client.list(APIService, {}, signal);
  const present = new Map(items.map((service) => [service.metadata.name, service]));
  for (const [name, local] of wanted) {
    if (!present.has(name)) await createLocal(client, local, signal);
  }
  for (const [name, service] of present) {
    const isOurs = service.metadata.labels?.[managedLabel] !== undefined && !service.spec.service;
    if (isOurs && !wanted.has(name)) await client.delete(APIService, { name }, { signal });
  }
}

async function createLocal(
  client: Client,
  { group, version }: { group: string; version: string },
  signal: AbortSignal,
): Promise<void> {
  await client
    .create(
      APIService,
      {
        metadata: { name: `${version}.${group}`, labels: { [managedLabel]: 'true' } },
        spec: {
          ...(group && { group }),
          version,
          ...prioritiesOf(group, version),
        },
      },
      { signal },
    )
    .catch(ignoreAlreadyExists);
}
