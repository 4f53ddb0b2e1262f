/** How often each process of a cluster was restarted, kept from `up` to `down`. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { ClusterFolder } from '../data-folder.ts';
import type { RestartHistories } from './restart-plan.ts';

export const restartHistoriesFile = (folder: ClusterFolder) => join(folder.run, 'restarts.json');

/** What cannot be read, cut short by a power failure perhaps, keeps nothing from being started again. */
export function readRestartHistories(folder: ClusterFolder): RestartHistories {
  try {
    return JSON.parse(readFileSync(restartHistoriesFile(folder), 'utf8')) as RestartHistories;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return {};
    throw error;
  }
}

export function writeRestartHistories(folder: ClusterFolder, histories: RestartHistories): void {
  const file = restartHistoriesFile(folder);
  mkdirSync(dirname(file), { recursive: true });
  replaceFile(file, JSON.stringify(histories));
}
