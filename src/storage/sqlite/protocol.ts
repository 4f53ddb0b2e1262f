/** What the store and its worker thread say to each other. */
import type { HistoryRow, LoadedFacts, LogRow } from './database.ts';
import type { PackedRows } from './packed-rows.ts';

/** One batch of writes; the values stand one after another in `bytes`. */
export interface CommitRequest {
  kind: 'commit';
  firstRevision: number;
  keys: string[];
  createRevisions: number[];
  /** -1: a delete. */
  lengths: number[];
  bytes: Uint8Array;
}

export type WorkerRequest =
  | CommitRequest
  | { kind: 'facts' }
  | { kind: 'state'; revision: number; prefix: string; limit: number; after: string | undefined }
  /** The newest rows of all keys, as the store begins with; those after a revision. */
  | { kind: 'load'; after: number; limit: number }
  | { kind: 'history'; prefix: string; from: number; until: number }
  | { kind: 'growth'; prefix: string; after: string; from: number; until: number }
  | { kind: 'compact'; revision: number }
  | { kind: 'size' }
  | { kind: 'close' };

export interface WorkerAnswers {
  commit: undefined;
  facts: LoadedFacts;
  state: LogRow[];
  load: PackedRows;
  history: HistoryRow[];
  growth: number;
  compact: undefined;
  size: number;
  close: undefined;
}

export interface RequestEnvelope {
  id: number;
  request: WorkerRequest;
}

export type AnswerEnvelope = { id: number; answer: unknown } | { id: number; error: string };
