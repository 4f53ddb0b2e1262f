/**
 * Small files of the kernel's own file systems. They are read synchronously: there is no disk to wait for, and reading
 * the thousands of files of a scrape in another thread takes ten times as long.
 */
import { readFileSync } from 'node:fs';
import { isMissing } from '../../base/system/if-missing.ts';

/** Empty when there is no such file. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // A controller that is off, a group that has just gone, or pressure that the kernel does not measure.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'EOPNOTSUPP') return '';
    throw error;
  }
}

export function readNumber(file: string): number | undefined {
  const text = readText(file);
  return text === '' ? undefined : Number(text);
}

/** Lines of a name and a number. */
export function readTable(file: string): Map<string, number> {
  const table = new Map<string, number>();
  for (const line of readText(file).split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) table.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return table;
}
