/** Folders of volumes that belong to their pods from the moment at which they are there. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifMissing } from '../../base/if-missing.ts';

/**
 * Makes the folder, and has it filled under another name first: one that is there is whole, and an agent that starts again
 * leaves it as its pod has made it since.
 */
export async function makeOnce(folder: string, fill: (beginning: string) => Promise<void>): Promise<void> {
  if (await stat(folder).catch(ifMissing(undefined))) return;
  // No volume has a name like that.
  const beginning = join(dirname(folder), `.${basename(folder)}`);
  await rm(beginning, { recursive: true, force: true });
  await mkdir(beginning, { recursive: true, mode: 0o755 });
  await fill(beginning);
  await rename(beginning, folder);
}
