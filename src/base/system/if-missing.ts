/** Errors of files, folders and processes that are not there, which is often the answer and no failure. */

const goneCodes: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  // A step of the path is a file.
  'ENOTDIR',
  // What the kernel shows of a device, a control group or a process that ends while it is read.
  'ENODEV',
  'ESRCH',
]);

export function isMissing(error: unknown): boolean {
  return goneCodes.has((error as NodeJS.ErrnoException).code);
}

/** For `catch` after reading a file or folder: `fallback` when it does not exist; any other failure is passed on. */
export function ifMissing<Fallback>(fallback: Fallback): (error: NodeJS.ErrnoException) => Fallback {
  return (error) => {
    if (isMissing(error)) return fallback;
    throw error;
  };
}
