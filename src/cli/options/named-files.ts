/** Files that options name. They are looked at when the command is given, not first by the process that reads them. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import { Failure } from '../../host/failure.ts';

/** @throws Failure that names the option, when the file cannot be read */
export function readNamedFile(option: string, file: string): string {
  return explained(option, file, () => readFileSync(file, 'utf8'));
}

/** Of `options`, the values that are given must be readable files. @throws Failure for the first that is not */
export function checkNamedFiles(values: Record<string, unknown>, options: readonly string[]): void {
  for (const option of options) {
    const file = values[option];
    if (typeof file === 'string' && file !== '')
      explained(`--${option}`, file, () => accessSync(file, constants.R_OK));
  }
}

function explained<Result>(option: string, file: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    const { errno, message } = error as NodeJS.ErrnoException;
    const why = errno === undefined ? message : getSystemErrorMessage(errno);
    throw new Failure(`${option}: cannot read ${file}: ${why}`);
  }
}
