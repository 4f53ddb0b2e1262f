/**
 * An APIService for every group version that this server answers itself, so that `kubectl get apiservices` is complete.
 * Those of custom resources are kept as they have to be; those of its own kinds are brought in line when it starts, and
 * are the administrators' then.
 */
import { APIService } from '../../api/resources.gen.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { ignoreAlreadyExists, undefinedIfNotFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';
import { prioritiesOf } from './priorities.ts';

const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';
/** Definitions come in bundles; one round serves them all. */
const settleMs = 100;

export interface LocalServices {
  /** Those of the start are all there. */
  isComplete(): boolean;
}

interface LocalServicesOptions {
  kinds: KindRegistry;
  objects: ObjectReader;
  client: Client;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

/** Keeps them in line, now and whenever the kinds or the APIServices change. */
export function followLocalServices(options: LocalServicesOptions): LocalServices {
  const { kinds, clock, logger, signal } = options;
  let isScheduled = false;
  let isComplete = false;
  const reconcile = reconciler(options);
  const bringInLine = async () => {
    isScheduled = false;
    if (signal.aborted) return;
    try {
      await reconcile();
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
    if (isScheduled || signal.aborted) return;
    isScheduled = true;
    clock.after(delayMs, bringInLine);
  };
  const services = kinds.findStored(APIService.group, APIService.plural)?.cache;
  for (const stop of [kinds.onChange(() => schedule()), services?.listen(() => schedule())])
    if (stop) signal.addEventListener('abort', stop, { once: true });
  schedule(0);
  return { isComplete: () => isComplete };
}

/** How long one is followed, as its label says. */
type Management = 'onstart' | 'true';

export interface WantedService {
  management: Management;
  spec: APIService['spec'];
}

export interface LocalServicesState {
  wanted: ReadonlyMap<string, WantedService>;
  present: ReadonlyMap<string, APIService>;
  /** Those that were there when the server started. */
  atStart: ReadonlySet<string>;
  /** Those that were in line at some time since. */
  synced: ReadonlySet<string>;
}

export type LocalServicesStep =
  | { type: 'create'; name: string; wanted: WantedService }
  | { type: 'update'; service: APIService }
  | { type: 'delete'; service: APIService };

/** What brings them in line. One that an administrator made, or took over by removing the label, stays as it is. */
export function planLocalServices({
  wanted,
  present,
  atStart,
  synced,
}: LocalServicesState): LocalServicesStep[] {
  const steps: LocalServicesStep[] = [];
  for (const [name, want] of wanted) {
    if (present.has(name) || (want.management === 'onstart' && synced.has(name))) continue;
    steps.push({ type: 'create', name, wanted: want });
  }
  for (const [name, service] of present) {
    const want = wanted.get(name);
    if (want?.management === 'onstart' && synced.has(name)) continue;
    const management = service.metadata.labels?.[managedLabel];
    if (management !== 'onstart' && management !== 'true') continue;
    if (management === 'onstart' && (!atStart.has(name) || synced.has(name))) continue;
    if (!want) steps.push({ type: 'delete', service });
    else if (!equalJson(service.spec, want.spec))
      steps.push({ type: 'update', service: { ...service, spec: want.spec } });
  }
  return steps;
}

function reconciler({ kinds, objects, client, signal }: LocalServicesOptions): () => Promise<void> {
  let atStart: Set<string> | undefined;
  const synced = new Set<string>();
  return async () => {
    const wanted = wantedServices(kinds);
    const present = new Map([...objects.list(APIService)].map((service) => [service.metadata.name, service]));
    atStart ??= new Set(present.keys());
    for (const step of planLocalServices({ wanted, present, atStart, synced }))
      await takeStep(client, step, signal);
    for (const name of [...wanted.keys(), ...present.keys()]) synced.add(name);
  };
}

function wantedServices(kinds: KindRegistry): Map<string, WantedService> {
  const wanted = new Map<string, WantedService>();
  for (const { group, version, isCustom } of kinds.all()) {
    const name = `${version}.${group}`;
    if (wanted.has(name)) continue;
    const spec = { ...(group && { group }), version, ...prioritiesOf(group, version) };
    wanted.set(name, { management: isCustom ? 'true' : 'onstart', spec });
  }
  return wanted;
}

async function takeStep(client: Client, step: LocalServicesStep, signal: AbortSignal): Promise<void> {
  switch (step.type) {
    case 'create': {
      const { management, spec } = step.wanted;
      const metadata = { name: step.name, labels: { [managedLabel]: management } };
      await client.create(APIService, { metadata, spec }, { signal }).catch(ignoreAlreadyExists);
      return;
    }
    case 'update':
      await client.update(APIService, step.service, { signal }).catch(undefinedIfNotFound);
      return;
    case 'delete': {
      const { name, uid } = step.service.metadata;
      await client
        .delete(APIService, { name }, { signal, preconditions: { uid } })
        .catch(undefinedIfNotFound);
    }
  }
}
