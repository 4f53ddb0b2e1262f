/** Modules without their types, for Wherry's own processes: made before these start. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CommandError, run } from '../../base/system/command.ts';
import { isMissing } from '../../base/system/if-missing.ts';
import { type ClusterContext, nodeFlags, processEnvironment } from '../cluster/cluster-context.ts';

/** A second or two on most machines; a minute and more on an emulated one. */
const loadTimeoutMs = 300_000;

/**
 * Loads programs once, where that has not been done since one of their files changed. `cmd/load-only.ts` says what for. On a
 * machine that is too slow for it they start all the same, and the next command tries again.
 * @throws CommandError when a program cannot be loaded
 */
export async function fillModuleCache(
  context: Pick<ClusterContext, 'data' | 'programs' | 'steps'>,
  programs: readonly string[],
  timeoutMs = loadTimeoutMs,
): Promise<void> {
  const { data, steps } = context;
  const stamp = `${process.version} ${context.programs.version}`;
  const stampFile = (program: string) => join(data.moduleCache, `${basename(program)}.loaded`);
  const before = programs.map((program) => readStamp(stampFile(program)));
  const missing = programs.filter((_, index) => before[index] !== stamp);
  if (missing.length === 0) return;
  const isFirst = before.includes(undefined);
  const title = isFirst ? 'prepared for the first time' : 'prepared again, as it has changed';
  await steps.run(`Wherry itself, ${title}`, async () => {
    mkdirSync(data.moduleCache, { recursive: true });
    const env = processEnvironment(data);
    const load = async (program: string) => {
      await run(context.programs.node, [...nodeFlags, program], { env, timeoutMs });
      writeFileSync(stampFile(program), stamp);
    };
    try {
      await Promise.all(missing.map(load));
    } catch (error) {
      if (error instanceof CommandError && error.isTimeout) return;
      throw error;
    }
  });
}

function readStamp(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
