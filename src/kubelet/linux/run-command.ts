/** Runs a program of the machine and waits for it. */
import { execFile } from 'node:child_process';

/** The cause has Node's `code`: the exit code, or `ENOENT` when there is no such program. */
export class CommandError extends Error {
  /** What it wrote to standard error, or why it did not run. */
  readonly output: string;

  constructor(file: string, args: readonly string[], output: string, cause: Error) {
    super(`${file} ${args.join(' ')}: ${output}`, { cause });
    this.name = 'CommandError';
    this.output = output;
  }
}

/** Resolves with its standard output. @throws CommandError */
export function runCommand(file: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { timeout: timeoutMs, maxBuffer: 16 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error) reject(new CommandError(file, args, stderr.trim() || error.message, error));
      else resolve(stdout);
    });
  });
}
