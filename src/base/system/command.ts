/** Runs a program of the machine to its end. */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';

export interface CommandOptions {
  input?: string;
  /** A file to read the standard input from, instead of `input`. */
  inputFile?: string;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The program is killed after this long; 0: never. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const defaultTimeoutMs = 60_000;
/** Of what a program wrote to its standard error; the rest is dropped. */
const stderrBytesMax = 64 * 1024;
const shownLinesMax = 5;

/** A program that could not be started, or did not end with exit code 0. */
export class CommandError extends Error {
  readonly command: string;
  /** The exit code, the signal that ended it, or Node's error code when it could not be started. */
  readonly code: number | string;
  readonly stderr: string;
  /** It was killed because its time was up. */
  readonly isTimeout: boolean;

  constructor(
    command: string,
    code: number | string,
    stderr: string,
    options?: ErrorOptions & { timeoutMs?: number },
  ) {
    const detail = stderr.trim().split('\n').slice(-shownLinesMax).join('\n');
    const ending = typeof code === 'number' ? `exit code ${code}` : code;
    // What a killed program still writes describes the kill, such as input that broke off, and would mislead.
    const timeout = options?.timeoutMs && `not done after ${options.timeoutMs / 1000} s`;
    super(`${command}: ${timeout || detail || ending}`, options);
    this.isTimeout = Boolean(timeout);
    this.name = 'CommandError';
    this.command = command;
    this.code = code;
    this.stderr = stderr;
  }

  /** The program is not on this machine. */
  get isMissingProgram(): boolean {
    return this.code === 'ENOENT';
  }
}

/** Returns what the program wrote to its standard output. @throws CommandError */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input, inputFile, timeoutMs = defaultTimeoutMs, ...spawnOptions } = options;
  const line = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...spawnOptions,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // Node's own time limit would go on, and keep the process, for a program that could not be started.
    const timer = timeoutMs > 0 ? setTimeout(() => child.kill('SIGKILL'), timeoutMs) : undefined;
    child.once('exit', () => clearTimeout(timer));
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        new CommandError(line, error.code ?? 'error', error.code === 'ENOENT' ? 'not found' : error.message, {
          cause: error,
        }),
      );
    });
    // Without a descriptor left for its streams it has none: the error is all that comes.
    if ((child as Partial<typeof child>).stdin === undefined) return;
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stderrBytes = 0;
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderrBytes < stderrBytesMax) stderr.push(chunk.subarray(0, stderrBytesMax - stderrBytes));
      stderrBytes += chunk.length;
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(stdout).toString());
      else
        reject(
          new CommandError(
            line,
            code ?? signal ?? 'killed',
            Buffer.concat(stderr).toString(),
            // It was killed here, and not for the abort signal, which is an error event before this.
            signal === 'SIGKILL' && child.killed ? { timeoutMs } : {},
          ),
        );
    });
    // A program may stop reading its input early; its exit code says whether that is an error.
    child.stdin.on('error', () => undefined);
    if (inputFile === undefined) child.stdin.end(input);
    else
      createReadStream(inputFile)
        .on('error', (error) => {
          child.kill('SIGKILL');
          reject(error);
        })
        .pipe(child.stdin);
  });
}

/** True when the program ends with 0; what it says is dropped. @throws CommandError when it cannot be started */
export async function succeeds(
  command: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<boolean> {
  try {
    await run(command, args, options);
    return true;
  } catch (error) {
    if (error instanceof CommandError && typeof error.code === 'number') return false;
    throw error;
  }
}
