/** Runs the programs that configure the kernel (`nft`, `ip`, `bridge`, `conntrack`), here or in another namespace. */
import { run } from '../base/system/command.ts';

/**
 * Resolves with standard output. @throws CommandError when the program cannot start, or exits with a code other than 0.
 */
export type RunCommand = (program: string, args: readonly string[], input?: string) => Promise<string>;

/** `prefix`: words before every command, e.g. `['nsenter', '--net=/run/netns/n']` to work in another namespace. */
export function createCommandRunner(prefix: readonly string[] = []): RunCommand {
  return (program, args, input) => {
    const [file, ...words] = [...prefix, program, ...args];
    // No time limit: the kernel may take long over a large table.
    return run(file!, words, { input, timeoutMs: 0 });
  };
}
