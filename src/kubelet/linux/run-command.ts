/** Runs a program of the machine and waits for it. */
import { execFile } from 'node:child_process';

/** Resolves with its standard output. @throws Error with what it wrote to standard error */
export function runCommand(file: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { timeout: timeoutMs, maxBuffer: 16 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error)
        reject(new Error(`${file} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
      else resolve(stdout);
    });
  });
}
