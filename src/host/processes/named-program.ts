/** A program that runs under a name of its own, by which tools such as `pidof` and `ps` find it. */
import { mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../../base/system/if-missing.ts';

/** A path in `folder` that ends in `name` and leads to the program. */
export function namedProgram(folder: string, name: string, program: string): string {
  const path = join(folder, name);
  if (linkedFrom(path) === program) return path;
  mkdirSync(folder, { recursive: true });
  rmSync(path, { force: true });
  symlinkSync(program, path);
  return path;
}

function linkedFrom(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
