/** The Dangling condition of FlowSchemas: whether the priority level that they name exists. */
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type ReconcileOnChangeOptions, reconcileOnChange } from '../reconcile-on-change.ts';

export interface DanglingOptions extends ReconcileOnChangeOptions {
  objects: ObjectReader;
  client: Client;
}

const fieldManager = 'api-priority-and-fairness-config-consumer-v1';

/** Resolves when the schemas of the present are in line; keeps them so until the signal. */
export function followFlowSchemas(options: DanglingOptions): Promise<void> {
  const watched = [FlowSchema, PriorityLevelConfiguration];
  return reconcileOnChange(options, watched, 'the status of flow schemas', () => reconcile(options));
}

async function reconcile(options: DanglingOptions): Promise<void> {
  const schemas = [...options.objects.list<FlowSchema>(FlowSchema)];
  await Promise.all(schemas.map((schema) => updateCondition(schema, options)));
}

async function updateCondition(
  schema: FlowSchema,
  { objects, client, clock, signal }: DanglingOptions,
): Promise<void> {
  const condition = conditionOf(schema, objects);
  const known = schema.status?.conditions ?? [];
  const before = known.find(({ type }) => type === 'Dangling');
  if (before?.status === condition.status && before.message === condition.message) return;
  const others = known.filter(({ type }) => type !== 'Dangling');
  const isSame = before?.status === condition.status;
  const lastTransitionTime = (isSame && before?.lastTransitionTime) || formatTime(clock.now());
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
