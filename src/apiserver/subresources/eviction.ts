/** `pods/eviction`: a delete that disruption budgets may refuse. */
import { disruptionTarget } from '../../api/core/disruption-target.ts';
import { compileLabelSelector } from '../../api/label-selector.ts';
import type { KubeObject } from '../../api/meta.ts';
import { Pod, PodDisruptionBudget } from '../../api/resources.gen.ts';
import { decodeParsed } from '../../api/schema/body/body.ts';
import { formatTime } from '../../api/schema/time.ts';
import { badRequest, forbidden, methodNotAllowed, StatusError, tooManyRequests } from '../../api/status.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readParsedBody } from '../registry/conversion/codec.ts';
import { changeOwn, resourceOf } from '../registry/ensure.ts';
import { type Registry, readCurrent, type WriteRequest } from '../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import { type DeleteRequest, deleteObject } from '../registry/verbs/delete.ts';
import { changeObject } from '../registry/verbs/update.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { SubresourceHandler } from './handlers.ts';

export const evictionType = { group: 'policy', version: 'v1', kind: 'Eviction' };
const schema = 'io.k8s.api.policy.v1.Eviction';
const retryAfterSeconds = 10;
/** A pod that waits may change again and again; upstream tries as often. */
const attemptsMax = 20;
/** Evictions that one budget remembers. */
const disruptedPodsMax = 2000;

const evictedByApi = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' } as const;

interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

type BudgetStatus = NonNullable<PodDisruptionBudget['status']>;

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
    const budget = isFree ? undefined : await takeDisruption(registry, objects, pod, deletion);
    // A pod that may be evicted because it is not serving must not have begun to serve meanwhile.
    const isPinnedHere = !isPinned && ((isFree && pod.status?.phase === 'Pending') || budget !== undefined);
    const own = { uid, ...preconditions, ...(isPinnedHere && { resourceVersion: resourceVersion! }) };
    try {
      const held = deletion.dryRun ? own : await markDisrupted(registry, deletion, own);
      await deleteObject(registry, { ...deletion, preconditions: held });
      return;
    } catch (error) {
      const isRace = isPinnedHere && error instanceof StatusError && error.reason === 'Conflict';
      if (!isRace || attempt === attemptsMax) throw error;
      if (budget !== undefined) throw refusal(stillProcessed(budget), retryAfterSeconds);
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

/**
 * Takes one of the disruptions that the pod's budget allows, unless the pod may be evicted because it is not ready:
 * then nothing is taken, and the budget's name returned. @throws StatusError 429 when it allows none
 */
async function takeDisruption(
  registry: Registry,
  objects: ObjectReader,
  pod: Pod,
  { dryRun }: { dryRun: boolean },
): Promise<string | undefined> {
  const { namespace = '', name } = pod.metadata;
  const budgets = [...objects.list(PodDisruptionBudget, namespace)].filter((budget) =>
    compileLabelSelector(budget.spec?.selector)(pod.metadata.labels),
  );
  if (budgets.length === 0) return undefined;
  if (budgets.length > 1)
    throw new StatusError(
      500,
      '',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const budget = budgets[0]!;
  if (!isReady(pod) && mayEvictUnready(budget)) return budget.metadata.name;
  if (dryRun) {
    checkBudget(budget);
    return undefined;
  }
  await changeOwn(
    registry,
    PodDisruptionBudget,
    { namespace, name: budget.metadata.name },
    {
      checks: 'none',
      next(current) {
        checkBudget(current.object as PodDisruptionBudget);
        const changed = current.copy() as PodDisruptionBudget;
        changed.status = withoutOne(changed.status!, name, formatTime(registry.clock.now()));
        delete (changed.metadata as { resourceVersion?: string }).resourceVersion;
        return changed;
      },
    },
  );
  return undefined;
}

/** The budget once `pod` is disrupted; this tells its controller not to count the pod any longer. */
function withoutOne(status: BudgetStatus, pod: string, now: string): BudgetStatus {
  const disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1;
  const disruptedPods = { ...status.disruptedPods, [pod]: now };
  if (disruptionsAllowed > 0) return { ...status, disruptionsAllowed, disruptedPods };
  const type = 'DisruptionAllowed';
  const others = (status.conditions ?? []).filter((condition) => condition.type !== type);
  const before = status.conditions?.find((condition) => condition.type === type);
  const condition = {
    type,
    status: 'False' as const,
    reason: 'InsufficientPods',
    message: '',
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : now,
    ...(status.observedGeneration !== undefined && { observedGeneration: status.observedGeneration }),
  };
  return { ...status, disruptionsAllowed, disruptedPods, conditions: [...others, condition] };
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
  const { disruptionsAllowed = 0 } = status;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw refusal(stillProcessed(name), retryAfterSeconds);
  if (disruptionsAllowed < 0)
    throw forbidden(PodDisruptionBudget, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
    throw forbidden(
      PodDisruptionBudget,
      name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    );
  if (disruptionsAllowed === 0) throw refusal(whyNoneMayGo(name, status));
}

/** The numbers of a budget whose pods could not be counted are not shown. */
function whyNoneMayGo(name: string, status: NonNullable<PodDisruptionBudget['status']>): string {
  const { desiredHealthy = 0, currentHealthy = 0, conditions = [] } = status;
  const refused = conditions.find(
    ({ type, status, message }) => type === 'DisruptionAllowed' && status === 'False' && message !== '',
  );
  const budget = `The disruption budget ${name}`;
  if (refused?.reason === 'SyncFailed')
    return `${budget} does not allow evicting pods currently because it failed sync: ${refused.message}`;
  if (currentHealthy <= desiredHealthy)
    return `${budget} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  const why = refused ? ` (${refused.reason}): ${refused.message}` : '';
  return `${budget} does not allow evicting pods currently${why}`;
}

const stillProcessed = (budget: string) =>
  `The disruption budget ${budget} is still being processed by the server.`;

function refusal(cause: string, retrySeconds?: number): StatusError {
  const why = "Cannot evict pod as it would violate the pod's disruption budget.";
  const error = tooManyRequests(why, retrySeconds);
  error.status.details!.causes = [{ reason: 'DisruptionBudget', message: cause }];
  return error;
}
