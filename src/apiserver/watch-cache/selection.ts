/** Which objects of a resource a list or a watch covers, and what a change means to a watcher of only those. */
import type { CachedObject } from './cached-object.ts';
import type { CacheEvent } from './resource-cache.ts';

export interface Selection {
  /** Equal for selections that choose the same objects: watchers with equal ids share their work. */
  readonly id: string;
  /** Keys of chosen objects start with this: `namespace/`, or nothing. */
  readonly keyPrefix: string;
  /** Undefined when every object under the prefix is chosen. */
  readonly matches: ((object: CachedObject) => boolean) | undefined;
  /** A further condition on those: by what is known of an object only once it has been converted. */
  readonly late?: (object: CachedObject) => boolean;
}

/** A change as one watcher sees it. */
export interface WatchedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: CachedObject;
  /** What was there before, of a selection that is not complete yet. */
  readonly previous?: CachedObject;
}

export function isSelected(selection: Selection, object: CachedObject): boolean {
  return object.key.startsWith(selection.keyPrefix) && (selection.matches?.(object) ?? true);
}

/** The event that a watcher of `selection` sees for `event`; undefined: none. */
export function watchedEventOf(selection: Selection, event: CacheEvent): WatchedEvent | undefined {
  const seen = seenEventOf(selection, event);
  return seen && selection.late && event.previous ? { ...seen, previous: event.previous } : seen;
}

/** An event of a selection without its late choice, adjusted to it; the objects have been converted. */
export function lateEventOf(
  late: (object: CachedObject) => boolean,
  { type, object, previous }: WatchedEvent,
): WatchedEvent | undefined {
  const before = type !== 'ADDED' && late(previous ?? object);
  if (type === 'DELETED') return before ? { type, object } : undefined;
  if (late(object)) return { type: before ? 'MODIFIED' : 'ADDED', object };
  return before ? { type: 'DELETED', object: (previous ?? object).at(object.revision) } : undefined;
}

function seenEventOf(selection: Selection, event: CacheEvent): WatchedEvent | undefined {
  if (!event.object.key.startsWith(selection.keyPrefix)) return undefined;
  const before = event.previous !== undefined && (selection.matches?.(event.previous) ?? true);
  if (event.type === 'delete') return before ? { type: 'DELETED', object: event.object } : undefined;
  const after = selection.matches?.(event.object) ?? true;
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', object: event.object };
  // An update moved the object out of the selection: its last selected state, with the revision of the update.
  return before ? { type: 'DELETED', object: event.previous!.at(event.revision) } : undefined;
}
