/** What every command gets: paths, environment and output. */
import type { Programs } from '../host/cluster/cluster-context.ts';
import type { DataFolder } from '../host/data-folder.ts';

export interface CliContext {
  data: DataFolder;
  programs: Programs;
  env: NodeJS.ProcessEnv;
  /** One line of the answer. */
  print(line: string): void;
  /** One line for the human that is no part of the answer. */
  complain(line: string): void;
  /** The human watches: colours, lines that change. */
  isTerminal: boolean;
}

export interface Command {
  /** One line for `wherry help`. */
  summary: string;
  /** What follows `wherry NAME`, e.g. `[--name N]`. */
  usage: string;
  /** More lines for `wherry help NAME`. */
  details?: readonly string[];
  /** @returns the exit code */
  run(context: CliContext, args: readonly string[]): Promise<number>;
}

/** Arguments that make no sense; the command's usage is shown with it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
