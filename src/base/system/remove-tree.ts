/** Removes folders with what is in them. */
import { rm, unlink } from 'node:fs/promises';

/**
 * What is not there is no error.
 * @throws what stands in the way, by its name: of a file that may not be removed (an immutable one), Node's own function
 *   only says that it is no folder
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    const { code, path: file } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' && file !== undefined) await unlink(file);
    throw error;
  }
}
