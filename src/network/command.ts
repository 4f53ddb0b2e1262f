/** Runs the programs that programme the kernel (`nft`, `ip`, `bridge`, `conntrack`), with text in and text out. */
import { spawn } from 'node:child_process';

/** Resolves with standard output. @throws CommandError when the program cannot start or exits with another code than 0. */
export type RunCommand = (program: string, args: readonly string[], input?: string) => Promise<string>;

export class CommandError extends Error {
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(command: string, exitCode: number | undefined, stderr: string, cause?: unknown) {
    super(`${command}: ${stderr.trim() || `exit code ${exitCode}`}`, { cause });
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.stderr = stderr;
  }

  /** The program is not on this machine. */
  get isMissingProgram(): boolean {
    return (this.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  }
}

/** What a failing program may say in an error; the rest is cut. */
const stderrCharsMax = 4_000;

/** `prefix`: words before every command, e.g. `['nsenter', '--net=/run/netns/n']` to work in another namespace. */
export function createCommandRunner(prefix: readonly string[] = []): RunCommand {
  return (program, args, input) =>
    new Promise((resolve, reject) => {
      const [file, ...words] = [...prefix, program, ...args];
      const shown = `${program} ${args.join(' ')}`;
      const child = spawn(file!, words, { stdio: ['pipe', 'pipe', 'pipe'] });
      const out: Buffer[] = [];
      let err = '';
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (err.length < stderrCharsMax) err += text.slice(0, stderrCharsMax - err.length);
      });
      child.on('error', (error) => reject(new CommandError(shown, undefined, error.message, error)));
      child.on('close', (code) => {
        if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
        else reject(new CommandError(shown, code ?? undefined, err));
      });
      // A program that ends before it has read everything says why by its exit code, not by this error.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input ?? '');
    });
}
