/**
 * Runs a process of Wherry as a child of this command, which shares its output, passes signals on, and ends with it.
 */
import { spawn } from 'node:child_process';
import { processEnvironment, serverNodeFlags } from '../host/cluster/cluster-context.ts';
import type { CliContext } from './context.ts';

/** @returns its exit code */
export function runForeground(
  context: CliContext,
  args: readonly string[],
  enter: readonly string[] = [],
): Promise<number> {
  const [command, ...rest] = [...enter, context.programs.node, ...serverNodeFlags, ...args];
  // The command's own compile cache would be held in memory for as long as the process lives.
  const { NODE_COMPILE_CACHE: _, ...inherited } = process.env;
  const env = { ...processEnvironment(context.data), ...inherited };
  const child = spawn(command!, rest, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const pass = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGTERM', pass);
  process.on('SIGINT', pass);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('SIGTERM', pass);
      process.off('SIGINT', pass);
      resolve(code ?? 1);
    });
  });
}
