/** `pods/eviction`: a delete that disruption budgets may refuse. */
import { disruptionTarget } from '../../../api/core/disruption-target.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { Pod } from '../../../api/resources.gen.ts';
import { decodeParsed } from '../../../api/schema/body/body.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { badRequest, methodNotAllowed, StatusError } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { readParsedBody } from '../../registry/conversion/codec.ts';
import { resourceOf } from '../../registry/ensure.ts';
import { type Registry, readCurrent, type WriteRequest } from '../../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../../registry/request-options.ts';
import { type DeleteRequest, deleteObject } from '../../registry/verbs/delete.ts';
import { changeObject } from '../../registry/verbs/update.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { SubresourceHandler } from '../handlers.ts';
import { grantEviction, stillProcessed } from './eviction-budget.ts';

export const evictionType = { group: 'policy', version: 'v1', kind: 'Eviction' };
const schema = 'io.k8s.api.policy.v1.Eviction';
/** A pod that waits may change again and again; upstream tries as often. */
const attemptsMax = 20;

const evictedByApi = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' } as const;

interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

interface Eviction extends KubeObject {
  deleteOptions?: {
    gracePeriodSeconds?: number;
    propagationPolicy?: string;
    preconditions?: Preconditions;
    dryRun?: string[];
  };
}

export function serveEviction(objects: ObjectReader): SubresourceHandler {
  return async (registry, context) => {
    if (context.info.verb !== 'create') throw methodNotAllowed();
    const pods = resourceOf(registry, Pod);
    const write = writeRequest(context, pods);
    const { deleteOptions = {} } = await registry.admission.admitPart({
      operation: 'CREATE',
      request: write,
      object: await readEviction(context),
      objectKind: evictionType,
      old: undefined,
      name: write.name,
    });
    const dryRun = (deleteOptions.dryRun?.length ?? 0) > 0 || context.request.query.get('dryRun') === 'All';
    const deletion: DeleteRequest = {
      ...write,
      subresource: '',
      dryRun,
      gracePeriodSeconds: deleteOptions.gracePeriodSeconds,
      propagationPolicy: deleteOptions.propagationPolicy,
      preconditions: deleteOptions.preconditions,
      options: { ...deleteOptions },
      isAdmitted: true,
    };
    await evict(registry, objects, deletion);
    return evicted();
  };
}

/** @throws StatusError 429 when the pod's budget allows no disruption */
async function evict(registry: Registry, objects: ObjectReader, deletion: DeleteRequest): Promise<void> {
  const { resource, namespace, name, preconditions } = deletion;
  const isPinned = preconditions?.resourceVersion !== undefined;
  for (let attempt = 1; ; attempt++) {
    const pod = (await readCurrent(registry, resource, namespace, name)).object as Pod;
    const { uid, resourceVersion } = pod.metadata;
    const isFree = !isGuarded(pod);
    const grant = isFree ? undefined : await grantEviction(registry, objects, pod, deletion);
    // A pod that may be evicted because it is not serving must not have begun to serve meanwhile.
    const isIdle = isFree ? pod.status?.phase === 'Pending' : grant?.because === 'unready';
    const isPinnedHere = !isPinned && isIdle;
    const own = { uid, ...preconditions, ...(isPinnedHere && { resourceVersion: resourceVersion! }) };
    try {
      const held = deletion.dryRun ? own : await markDisrupted(registry, deletion, own);
      await deleteObject(registry, { ...deletion, preconditions: held });
      return;
    } catch (error) {
      const isRace = isPinnedHere && error instanceof StatusError && error.reason === 'Conflict';
      if (!isRace || attempt === attemptsMax) throw error;
      if (grant?.because === 'unready') throw stillProcessed(grant.budget);
    }
  }
}

function evicted(): ApiResponse {
  const object = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return { type: 'plain', status: 201, object };
}

async function readEviction(context: RequestContext): Promise<Eviction> {
  const { request, info } = context;
  const parsed = await readParsedBody(request, { kind: 'Eviction', schema });
  context.requestObject = parsed.value;
  // The old version has the same fields.
  if (parsed.value.apiVersion === 'policy/v1beta1')
    parsed.value = { ...parsed.value, apiVersion: 'policy/v1' };
  const { object, warnings } = decodeParsed<Eviction & Record<string, unknown>>(
    parsed,
    schema,
    evictionType,
    fieldValidationOf(context),
  );
  for (const warning of warnings) context.warnings.push(warning);
  object.metadata ??= {} as KubeObject['metadata'];
  if (object.metadata.name !== info.name)
    throw badRequest('name in URL does not match name in Eviction object');
  return object;
}

/** Records the reason in the pod's status. Returns the preconditions for the delete. */
async function markDisrupted(
  registry: Registry,
  write: WriteRequest,
  preconditions: Preconditions,
): Promise<Preconditions> {
  const marked = await changeObject(
    registry,
    { ...write, subresource: 'status' },
    {
      checks: 'none',
      fieldsTracked: true,
      preconditions,
      next(current) {
        const pod = current.copy() as Pod;
        const old = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
        // Without a generation, as upstream: others that observe the pod record which one was seen.
        const { observedGeneration: _, ...wanted } = disruptionTarget(
          pod,
          evictedByApi,
          formatTime(registry.clock.now()),
        );
        // A time that is not set is written as null, as upstream does.
        wanted.lastProbeTime = null as unknown as string;
        if (old?.status === 'True') wanted.lastTransitionTime = old.lastTransitionTime;
        const others = pod.status?.conditions?.filter((condition) => condition !== old) ?? [];
        pod.status = { ...pod.status, conditions: [...others, wanted] };
        return pod;
      },
    },
  );
  return preconditions.resourceVersion === undefined
    ? preconditions
    : { ...preconditions, resourceVersion: String(marked.revision) };
}

/** Pods that do no work, or are on their way out, may always go. */
function isGuarded(pod: Pod): boolean {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending') return false;
  return !pod.metadata.deletionTimestamp;
}
