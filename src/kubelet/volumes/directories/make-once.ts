/** Folders of volumes that belong to their pods from the moment they exist. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifMissing } from '../../../base/system/if-missing.ts';

/**
 * Creates the folder after filling it under another name: an existing one is complete, and a restarted agent leaves it
 * as its pod has changed it since.
 */
export async function makeOnce(folder: string, fill: (beginning: string) => Promise<void>): Promise<void> {
  if (await stat(folder).catch(ifMissing(undefined))) return;
  // No volume can have such a name.
  const beginning = join(dirname(folder), `.${basename(folder)}`);
  await rm(beginning, { recursive: true, force: true });
  await mkdir(beginning, { recursive: true, mode: 0o755 });
  await fill(beginning);
  await rename(beginning, folder);
}
