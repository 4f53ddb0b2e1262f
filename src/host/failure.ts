/** A failure that the user can fix: what went wrong, which log says more, and what to try. */

export interface FailureOptions extends ErrorOptions {
  advice?: string;
  /** Its last lines are shown. */
  logFile?: string;
  /** Only what follows this many bytes of each file. */
  logStart?: number | undefined;
}

export class Failure extends Error {
  readonly advice: string | undefined;
  readonly logFile: string | undefined;
  readonly logStart: number;

  constructor(message: string, options: FailureOptions = {}) {
    super(message, options);
    this.name = 'Failure';
    this.advice = options.advice;
    this.logFile = options.logFile;
    this.logStart = options.logStart ?? 0;
  }
}
