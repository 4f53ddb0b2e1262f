/** Tells in the status of FlowSchemas whether the priority level that they name is there. */
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';
import { timestamp } from '../registry/registry.ts';

export interface DanglingOptions {
  kinds: KindRegistry;
  objects: ObjectReader;
  client: Client;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

const retry = { firstMs: 100, maxMs: 10_000 };
const fieldManager = 'api-priority-and-fairness-config-consumer-v1';

/** Resolves when the schemas of the present are in line; keeps them so until the signal. */
export async function followFlowSchemas(options: DanglingOptions): Promise<void> {
  const { kinds, clock, logger, signal } = options;
  let isDirty = true;
  let isWorking = false;
  const work = async () => {
    isDirty = true;
    if (isWorking) return;
    isWorking = true;
    for (let failures = 0; isDirty && !signal.aborted; ) {
      isDirty = false;
      try {
        await reconcile(options);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        logger.warn('the status of flow schemas could not be written; it is tried again', { error });
        isDirty = true;
        await clock.sleep(backoffDelayMs(retry, failures++), signal).catch(() => undefined);
      }
    }
    isWorking = false;
  };
  for (const { group, plural } of [FlowSchema, PriorityLevelConfiguration]) {
    const stop = kinds.findStored(group, plural)?.cache?.listen(() => void work());
    if (stop) signal.addEventListener('abort', stop, { once: true });
  }
  await work();
}

async function reconcile(options: DanglingOptions): Promise<void> {
  const schemas = [...options.objects.list<FlowSchema>(FlowSchema)];
  await Promise.all(schemas.map((schema) => judge(schema, options)));
}

async function judge(schema: FlowSchema, { objects, client, clock, signal }: DanglingOptions): Promise<void> {
  const condition = conditionOf(schema, objects);
  const known = schema.status?.conditions ?? [];
  const before = known.find(({ type }) => type === 'Dangling');
  if (before?.status === condition.status && before.message === condition.message) return;
  const others = known.filter(({ type }) => type !== 'Dangling');
  const isSame = before?.status === condition.status;
  const lastTransitionTime = (isSame && before?.lastTransitionTime) || timestamp(clock.now());
  const status = { ...schema.status, conditions: [...others, { ...condition, lastTransitionTime }] };
  try {
    await client.update(FlowSchema, { ...schema, status }, { subresource: 'status', fieldManager, signal });
  } catch (error) {
    // Gone or changed meanwhile: the change itself brings the next round.
    const isRace = error instanceof StatusError && (error.code === 404 || error.code === 409);
    if (!isRace) throw error;
  }
}

function conditionOf({ spec }: FlowSchema, objects: ObjectReader) {
  const { name } = spec.priorityLevelConfiguration;
  const references = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)}`;
  return objects.get(PriorityLevelConfiguration, '', name)
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${references} and it exists` }
    : {
        type: 'Dangling',
        status: 'True',
        reason: 'NotFound',
        message: `${references} but there is no such object`,
      };
}
