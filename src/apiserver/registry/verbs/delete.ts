/**
 * Delete: grace period, finalizers and propagation decide whether an object is removed at once, later, or after its
 * dependents.
 */
import type { KubeObject } from '../../../api/meta.ts';
import { cloneJson } from '../../../api/schema/json-value.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { foregroundFinalizer, orphanFinalizer } from '../../../api/well-known.ts';
import { CachedObject, encodeAndShare } from '../../watch-cache/cached-object.ts';
import { prepareViews } from '../conversion/conversion.ts';
import { isHeldBySpec, isReadyToGo } from '../object-metadata.ts';
import { checkPreconditions } from '../preconditions.ts';
import { type Registry, readCurrent, type WriteRequest } from '../registry.ts';
import { removeStored, replaceStored } from '../stored-writes.ts';

export interface DeleteRequest extends WriteRequest {
  gracePeriodSeconds: number | undefined;
  propagationPolicy: string | undefined;
  preconditions: { uid?: string; resourceVersion?: string } | undefined;
  /** The DeleteOptions as they came, for webhooks. */
  options: Record<string, unknown>;
  /** Admission has already handled the client's request under another operation: it does not see the delete. */
  isAdmitted?: boolean;
}

export interface DeleteOutcome {
  /** The last state: of the object that is gone, or of one that waits for its grace period or finalizers. */
  object: CachedObject;
  isGone: boolean;
}

/** @throws StatusError NotFound, Conflict when a precondition fails, Forbidden by admission */
export async function deleteObject(registry: Registry, request: DeleteRequest): Promise<DeleteOutcome> {
  const { resource, namespace, name, dryRun } = request;
  for (let isFirst = true; ; ) {
    const current = await readCurrent(registry, resource, namespace, name);
    // What cannot be shown in the version that the client speaks is not deleted in it either.
    if (isFirst && resource.converter) await prepareViews(resource, [current]);
    if (isFirst) checkPreconditions(request, current, request.preconditions);
    if (!request.isAdmitted) await admitDeletion(registry, request, current.object, { isFirst });

    const next = planDeletion(registry, request, current.object);
    if (next === 'unchanged') return { object: current, isGone: false };
    if (next === 'gone') {
      if (dryRun || (await removeStored(registry, resource, current)))
        return { object: current, isGone: true };
      continue;
    }
    const value = encodeAndShare(next, current);
    if (dryRun) return { object: new CachedObject(current.key, current.revision, value), isGone: false };
    const marked = await replaceStored(registry, resource, current, value);
    if (!marked) continue;
    if (!isReadyToGo(marked.object)) return { object: marked, isGone: false };
    isFirst = false;
  }
}

/** As upstream: the removal of an object that was marked is validated again, but a request is mutated only once. */
async function admitDeletion(
  { admission }: Registry,
  request: DeleteRequest,
  old: KubeObject,
  { isFirst }: { isFirst: boolean },
): Promise<void> {
  const { name, options } = request;
  const attributes = { operation: 'DELETE' as const, request, object: undefined, old, name, options };
  if (isFirst) await admission.mutate(attributes);
  await admission.validate(attributes);
}

/** The longest duration that Go can represent, 292 years: the resulting date can still be read by clients. */
const graceSecondsMax = 9_223_372_036;

/** Decides the result of a delete: removal, no change, or a state that waits. */
function planDeletion(
  registry: Registry,
  request: DeleteRequest,
  old: KubeObject,
): 'gone' | 'unchanged' | KubeObject {
  const { definition } = request.resource;
  const grace = definition.gracePeriodSeconds?.(old, request.gracePeriodSeconds);
  const graceSeconds = Math.min(Number(grace ?? 0), graceSecondsMax);
  const finalizers = planFinalizers(request, old);
  const nowMs = registry.clock.now();
  const meta = old.metadata;

  if (meta.deletionTimestamp) {
    const isShorter = graceSeconds < (meta.deletionGracePeriodSeconds ?? 0);
    const isChanged = !sameList(finalizers, meta.finalizers ?? []);
    // A shortened grace period is written before the object goes, as upstream does.
    if (finalizers.length === 0 && graceSeconds === 0 && !isShorter && !isHeldBySpec(old)) return 'gone';
    if (!isShorter && !isChanged) return 'unchanged';
    const next = withOwnMetadata(old);
    setFinalizers(next, finalizers);
    if (isShorter) {
      // Counted from when the deletion began, as the first request set it.
      const beganMs = Date.parse(meta.deletionTimestamp) - (meta.deletionGracePeriodSeconds ?? 0) * 1000;
      next.metadata.deletionTimestamp = formatTime(beganMs + graceSeconds * 1000);
      next.metadata.deletionGracePeriodSeconds = graceSeconds;
    }
    return next;
  }

  // Kinds with a grace period are marked even when it is 0 seconds: watchers see the mark before the end.
  if (grace === undefined && finalizers.length === 0 && !isHeldBySpec(old)) return 'gone';
  const next = definition.prepareDeletion ? cloneJson(old) : withOwnMetadata(old);
  setFinalizers(next, finalizers);
  next.metadata.deletionTimestamp = formatTime(nowMs + graceSeconds * 1000);
  // What waits for its spec's finalizers has no time to wait for.
  if (!isHeldBySpec(old)) next.metadata.deletionGracePeriodSeconds = graceSeconds;
  if (next.metadata.generation !== undefined && definition.hasGeneration) next.metadata.generation++;
  definition.prepareDeletion?.(next);
  return next;
}

function planFinalizers(request: DeleteRequest, old: KubeObject): string[] {
  const present = old.metadata.finalizers ?? [];
  const own = old.metadata.deletionTimestamp ? [] : (request.resource.definition.deletionFinalizers ?? []);
  const others = [
    ...present.filter((name) => name !== orphanFinalizer && name !== foregroundFinalizer),
    ...own.filter((name) => !present.includes(name)),
  ];
  switch (request.propagationPolicy) {
    case 'Orphan':
      return [...others, orphanFinalizer];
    case 'Foreground':
      return [...others, foregroundFinalizer];
    case 'Background':
      return others;
  }
  // The client has no preference: the object's present finalizers apply, and some old versions orphan by default.
  if (others.length - own.length < present.length) return [...new Set([...present, ...own])];
  const isOrphaning =
    request.resource.definition.defaultPropagation === 'orphan' ||
    (request.resource.served?.defaultPropagation ?? 'background') === 'orphan';
  return isOrphaning ? [...others, orphanFinalizer] : others;
}

/** Everything but the metadata stays shared. */
function withOwnMetadata(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata } };
}

function setFinalizers(object: KubeObject, finalizers: string[]): void {
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
