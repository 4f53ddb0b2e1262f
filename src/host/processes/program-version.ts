/** Identifies versions of Wherry's own files, so that processes of an older one can be found. */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A digest of the paths, sizes and times of all files that the program at `root` is made of. */
export function programVersion(root: string): string {
  const hash = createHash('sha256').update(root);
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort();
  // What is installed of other people's code follows the lock file.
  for (const file of ['package-lock.json', ...sources.map((source) => join('src', source))]) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`\n${file} ${size} ${mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 16);
}
