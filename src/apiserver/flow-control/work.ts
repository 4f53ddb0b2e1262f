/**
 * How many seats a request takes: a list takes them for the memory that its objects need at once, a write for the watchers
 * that are told of it.
 */
import { isTrue } from '../../base/text/query-boolean.ts';
import { authorizedName } from '../http/request/path.ts';
import type { RequestInfo } from '../request.ts';

/** What is stored of a resource. */
export interface StoredStats {
  count: number;
  /** Of all objects together. */
  bytes: number;
}

/** Upstream's figures. */
const bytesPerSeat = 100_000;
/** Lists are sent as they are made, so that more is not in memory at once. */
const bytesAtOnceMax = 1_000_000;
const listSeatsMax = 100;

const watchersPerSeat = 10;
const writeSeatsMax = 10;
/** What a change costs for as long as its watchers are told, with a seat for every {@link watchersPerSeat} of them. */
const tellingMs = 5;
const writes: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

export interface WorkOptions {
  /** Of what the request lists; undefined for what this server does not store. */
  stats: StoredStats | undefined;
  /** What its priority level allows for one request. */
  seatsMax: number;
}

/** Seats that a request keeps after its end, and for how long. */
export interface Aftermath {
  seats: number;
  ms: number;
}

const nothing: Aftermath = { seats: 0, ms: 0 };

/** Whether anything that is watched changes by it. */
export function changesObjects({ isResource, verb, resource, subresource }: RequestInfo): boolean {
  return isResource && writes.has(verb) && !(resource === 'serviceaccounts' && subresource === 'token');
}

/** Of a write that so many watchers see: few cost nothing, and where seats are short, they are kept for longer. */
export function estimateAftermath(watchers: number, seatsMax: number): Aftermath {
  if (watchers < watchersPerSeat) return nothing;
  const wanted = Math.ceil(watchers / watchersPerSeat);
  const seats = Math.min(wanted, writeSeatsMax, seatsMax);
  return { seats, ms: (wanted * tellingMs) / seats };
}

/** At least 1. */
export function estimateSeats(
  info: RequestInfo,
  query: URLSearchParams,
  { stats, seatsMax }: WorkOptions,
): number {
  const lists = info.verb === 'list' || (info.verb === 'watch' && beginsWithState(query));
  if (!lists || !stats || stats.count === 0) return 1;
  const limit = Number(query.get('limit')) || Number.POSITIVE_INFINITY;
  // One object by its name is found without looking at others.
  const objects = authorizedName(info, query) === '' ? Math.min(limit, stats.count) : 1;
  const bytes = Math.min((objects * stats.bytes) / stats.count, bytesAtOnceMax);
  return Math.min(listSeatsMax, seatsMax, Math.max(1, Math.ceil(bytes / bytesPerSeat)));
}

/** A watch from now on, or from any state, does so, too. */
function beginsWithState(query: URLSearchParams): boolean {
  const from = query.get('resourceVersion') ?? '';
  return isTrue(query.get('sendInitialEvents')) || from === '' || from === '0';
}
