/** Writes pod statuses to the API: soon, a few at a time, only what changed. */
import { Pod } from '../../../api/resources.gen.ts';
import { StatusError } from '../../../api/status.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { backoffDelayMs } from '../../../base/async/backoff.ts';
import { ConcurrencyLimit } from '../../../base/async/concurrency-limit.ts';
import { type Clock, pause } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Client } from '../../../client/client.ts';
import type { PodCounts } from '../../metrics/pod-metrics.ts';

interface Entry {
  pod: Pod;
  /** The server's state, as far as known. */
  written: core.PodStatus;
  wanted: core.PodStatus;
  writing: Promise<void> | undefined;
  /** Since when what the server has is not what is wanted. */
  behindSinceMs?: number | undefined;
  /** A patch that was accepted and changed nothing: a webhook must have altered it, and it is not repeated. */
  inVain?: object | undefined;
  /** The last result for these two objects, which are replaced and never changed. */
  compared?: { written: core.PodStatus; wanted: core.PodStatus; patch: object | undefined };
}

type StatusCounts = Pick<PodCounts, 'containerEnded' | 'statusWritten'>;

const statusLists = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'] as const;

/**
 * Concurrent writes of the whole node: enough to hide the latency of the server. Changes to a pod that waits for its
 * turn go into the same write, so that a busy API server gets fewer of them.
 */
export const writesAtOnce = 4;

const retry = { firstMs: 100, maxMs: 5_000 };

/** Conditions that other parties own are never changed. */
const ownConditions = new Set([
  'DisruptionTarget',
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
]);

export class StatusManager {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #counts: StatusCounts;
  readonly #entries = new Map<string, Entry>();
  readonly #writeLimit = new ConcurrencyLimit(writesAtOnce);

  constructor(options: {
    client: Client;
    clock: Clock;
    logger: Logger;
    signal: AbortSignal;
    counts: StatusCounts;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#signal = options.signal;
    this.#counts = options.counts;
  }

  /** The last wanted status, which may not have reached the server yet. */
  statusOf(uid: string): core.PodStatus | undefined {
    return this.#entries.get(uid)?.wanted;
  }

  /** The server's status, for conditions of other parties and for what was there before the agent started. */
  noteServerStatus(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (!entry) return;
    entry.pod = pod;
    if (!entry.writing) {
      entry.written = pod.status ?? {};
      if (patchToSend(entry)) this.#write(entry);
    }
  }

  set(pod: Pod, status: core.PodStatus): void {
    const { uid } = pod.metadata;
    let entry = this.#entries.get(uid);
    this.#countEnds(pod, entry?.wanted ?? pod.status ?? {}, status);
    if (!entry) {
      entry = { pod, written: pod.status ?? {}, wanted: status, writing: undefined };
      this.#entries.set(uid, entry);
    }
    entry.pod = pod;
    entry.wanted = status;
    if (!entry.writing) this.#write(entry);
  }

  /** Once for each end: with the first status that shows it. */
  #countEnds(pod: Pod, before: core.PodStatus, status: core.PodStatus): void {
    for (const list of statusLists)
      for (const { name, state } of status[list] ?? []) {
        const known = before[list]?.find((one) => one.name === name)?.state?.terminated;
        if (state?.terminated && !known) this.#counts.containerEnded(pod, name, state.terminated);
      }
  }

  /** Resolves when everything wanted for this pod so far is written. */
  async flushed(uid: string): Promise<void> {
    for (let entry = this.#entries.get(uid); entry?.writing; entry = this.#entries.get(uid))
      await entry.writing;
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  #write(entry: Entry): void {
    if (!patchToSend(entry)) return;
    entry.behindSinceMs ??= this.#clock.monotonic();
    entry.writing = this.#writeUntilEqual(entry).finally(() => {
      entry.writing = undefined;
      // A status that was requested while the last write finished.
      if (!this.#signal.aborted && this.#isCurrent(entry) && patchToSend(entry)) this.#write(entry);
    });
  }

  async #writeUntilEqual(entry: Entry): Promise<void> {
    for (let attempt = 0; !this.#signal.aborted && this.#isCurrent(entry); ) {
      const outcome = await this.#writeLimit.run(() => this.#writeOnce(entry));
      if (outcome === 'equal') return;
      if (outcome === 'written') attempt = 0;
      else if (!this.#signal.aborted)
        await pause(this.#clock, backoffDelayMs(retry, attempt++), this.#signal);
    }
  }

  /** The latest status at the moment of the write. */
  async #writeOnce(entry: Entry): Promise<'equal' | 'written' | 'failed'> {
    const patch = patchToSend(entry);
    if (!patch) return 'equal';
    const { namespace = '', name, uid } = entry.pod.metadata;
    try {
      const stored = await this.#client.patch(
        Pod,
        { namespace, name },
        { metadata: { uid }, status: patch },
        { type: 'strategic', subresource: 'status', signal: this.#signal },
      );
      entry.written = stored.status ?? {};
      entry.inVain = same(patchFor(entry), patch) ? patch : undefined;
      this.#noteWritten(entry);
      return 'written';
    } catch (error) {
      if (this.#signal.aborted || !isRefusal(error)) return 'failed';
      if (!isGone(error))
        this.#logger.error('a pod status was refused', { pod: `${namespace}/${name}`, error });
      entry.written = entry.wanted;
      entry.behindSinceMs = undefined;
      return 'equal';
    }
  }

  /** The wanted status may have changed since it was sent. */
  #noteWritten(entry: Entry): void {
    if (entry.behindSinceMs === undefined || patchToSend(entry)) return;
    this.#counts.statusWritten((this.#clock.monotonic() - entry.behindSinceMs) / 1000);
    entry.behindSinceMs = undefined;
  }

  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.pod.metadata.uid) === entry;
  }
}

/** The part of a status that still has to be written. */
function patchToSend(entry: Entry): object | undefined {
  const patch = patchFor(entry);
  return entry.inVain && same(patch, entry.inVain) ? undefined : patch;
}

/** The difference; the same two statuses are compared once. */
function patchFor(entry: Entry): object | undefined {
  const { written, wanted, compared } = entry;
  if (compared?.written === written && compared.wanted === wanted) return compared.patch;
  const patch = statusPatch(written, wanted);
  entry.compared = { written, wanted, patch };
  return patch;
}

/** Permanently: the same write would be refused again. */
function isRefusal(error: unknown): error is StatusError {
  return error instanceof StatusError && error.code >= 400 && error.code < 500 && error.code !== 429;
}

/** The pod no longer exists, or another has its name. */
function isGone({ code, status }: StatusError): boolean {
  const isAnother = status.details?.causes?.some(({ field }) => field === 'metadata.uid') ?? false;
  return code === 404 || code === 409 || isAnother;
}

/** Fields of a status that the kubelet owns. */
const ownFields = [
  'phase',
  'reason',
  'message',
  'hostIP',
  'podIP',
  'startTime',
  'qosClass',
  'observedGeneration',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
] as const satisfies readonly (keyof core.PodStatus)[];

/** A strategic merge patch from `old` to `wanted`; undefined when there is nothing to change. */
export function statusPatch(old: core.PodStatus, wanted: core.PodStatus): object | undefined {
  const patch: Record<string, unknown> = {};
  for (const field of ownFields) {
    if (same(old[field], wanted[field])) continue;
    patch[field] = wanted[field] ?? null;
  }
  // Amounts that are no longer reported are removed: a patch alone would add to them.
  for (const field of ['resources', 'allocatedResources'] as const)
    if (!same(old[field], wanted[field])) patch[field] = replaced(old[field], wanted[field]);
  for (const field of ['hostIPs', 'podIPs'] as const) {
    if (same(old[field], wanted[field])) continue;
    const gone = (old[field] ?? []).filter(({ ip }) => !wanted[field]?.some((kept) => kept.ip === ip));
    patch[field] = [...(wanted[field] ?? []), ...gone.map(({ ip }) => ({ ip, $patch: 'delete' }))];
  }
  const conditions: unknown[] = [];
  for (const condition of wanted.conditions ?? []) {
    const before = old.conditions?.find(({ type }) => type === condition.type);
    if (!same(before, condition)) conditions.push({ ...clearedFields(before), ...condition });
  }
  for (const { type } of old.conditions ?? []) {
    const isOurs = ownConditions.has(type) && type !== 'DisruptionTarget';
    if (isOurs && !wanted.conditions?.some((kept) => kept.type === type))
      conditions.push({ type, $patch: 'delete' });
  }
  if (conditions.length > 0) patch.conditions = conditions;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** The directive replaces an existing value: where there is none, it would leave nothing. */
function replaced(old: object | undefined, wanted: object | undefined): object | null {
  if (!wanted) return null;
  return isVoid(old) ? wanted : { $patch: 'replace', ...wanted };
}

/** Nulls for fields that the new condition no longer has. */
function clearedFields(before: core.PodCondition | undefined): Record<string, null> {
  const cleared: Record<string, null> = {};
  if (before?.reason) cleared.reason = null;
  if (before?.message) cleared.message = null;
  return cleared;
}

/** Deep equality that treats an absent field, null and '' as equal, as on the wire. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isVoid(a) && isVoid(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => same(item, b[index]));
  }
  return sameFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

function sameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key in a) if (!same(a[key], b[key])) return false;
  for (const key in b) if (!(key in a) && !isVoid(b[key])) return false;
  return true;
}

function isVoid(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
