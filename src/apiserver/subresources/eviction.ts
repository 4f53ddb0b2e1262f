/** `pods/eviction`: a delete that disruption budgets may refuse. */
import { disruptionTarget } from '../../api/core/disruption-target.ts';
import { compileLabelSelector } from '../../api/label-selector.ts';
import type { KubeObject } from '../../api/meta.ts';
import { Pod, PodDisruptionBudget } from '../../api/resources.gen.ts';
import { decodeParsed } from '../../api/schema/body.ts';
import {
  badRequest,
  forbidden,
  internalError,
  methodNotAllowed,
  type StatusError,
  tooManyRequests,
} from '../../api/status.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readParsedBody } from '../registry/codec.ts';
import { deleteObject } from '../registry/delete.ts';
import { changeOwn, resourceOf } from '../registry/ensure.ts';
import { type Registry, readCurrent, timestamp, type WriteRequest } from '../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import { changeObject } from '../registry/update.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { SubresourceHandler } from './handlers.ts';

export const evictionType = { group: 'policy', version: 'v1', kind: 'Eviction' };
const schema = 'io.k8s.api.policy.v1.Eviction';
const retryAfterSeconds = 10;
/** Evictions that one budget remembers. */
const disruptedPodsMax = 2000;

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
    const { namespace, name } = context.info;
    const pod = (await readCurrent(registry, pods, namespace, name)).object as Pod;
    if (isGuarded(pod)) await takeDisruption(registry, objects, pod, dryRun);
    const asked = deleteOptions.preconditions ?? { uid: pod.metadata.uid };
    const preconditions = dryRun ? asked : await markDisrupted(registry, write, asked);
    await deleteObject(registry, {
      ...write,
      subresource: '',
      dryRun,
      gracePeriodSeconds: deleteOptions.gracePeriodSeconds,
      propagationPolicy: deleteOptions.propagationPolicy,
      preconditions,
      options: { ...deleteOptions },
    });
    return evicted();
  };
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
  context.warnings.push(...warnings);
  object.metadata ??= {} as KubeObject['metadata'];
  if (object.metadata.name && object.metadata.name !== info.name)
    throw badRequest('name in URL does not match name in Eviction object');
  return object;
}

/** Says in the pod's status why it goes. Gives back what must hold when it is deleted. */
async function markDisrupted(
  registry: Registry,
  write: WriteRequest,
  preconditions: Preconditions,
): Promise<Preconditions> {
  const marked = await changeObject(
    registry,
    { ...write, subresource: 'status' },
    {
      isJudged: true,
      fieldsTracked: true,
      preconditions,
      next(current) {
        const pod = current.copy() as Pod;
        const old = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
        const wanted = disruptionTarget(pod, evictedByApi, timestamp(registry.clock.now()));
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

/** Takes one of the disruptions that the pod's budget allows. @throws StatusError 429 when it allows none */
async function takeDisruption(
  registry: Registry,
  objects: ObjectReader,
  pod: Pod,
  dryRun: boolean,
): Promise<void> {
  const { namespace = '', name } = pod.metadata;
  const budgets = [...objects.list(PodDisruptionBudget, namespace)].filter((budget) =>
    compileLabelSelector(budget.spec?.selector)(pod.metadata.labels),
  );
  if (budgets.length === 0) return;
  if (budgets.length > 1)
    throw internalError(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const budget = budgets[0]!;
  if (!isReady(pod) && mayEvictUnready(budget)) return;
  if (dryRun) {
    checkBudget(budget);
    return;
  }
  await changeOwn(
    registry,
    PodDisruptionBudget,
    { namespace, name: budget.metadata.name },
    {
      isJudged: true,
      next(current) {
        checkBudget(current.object as PodDisruptionBudget);
        const changed = current.copy() as PodDisruptionBudget;
        const status = changed.status!;
        status.disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1;
        status.disruptedPods = { ...status.disruptedPods, [name]: timestamp(registry.clock.now()) };
        delete (changed.metadata as { resourceVersion?: string }).resourceVersion;
        return changed;
      },
    },
  );
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function mayEvictUnready({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

function checkBudget({ metadata, status = {} }: PodDisruptionBudget): void {
  const { name } = metadata;
  const refuse = (cause: string): StatusError => {
    const error = tooManyRequests(
      "Cannot evict pod as it would violate the pod's disruption budget.",
      retryAfterSeconds,
    );
    error.status.details!.causes = [{ reason: 'DisruptionBudget', message: cause }];
    return error;
  };
  const { disruptionsAllowed = 0, desiredHealthy = 0, currentHealthy = 0 } = status;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw refuse(`The disruption budget ${name} is still being processed by the server.`);
  if (disruptionsAllowed < 0)
    throw forbidden(PodDisruptionBudget, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
    throw forbidden(
      PodDisruptionBudget,
      name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    );
  if (disruptionsAllowed === 0)
    throw refuse(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
}
