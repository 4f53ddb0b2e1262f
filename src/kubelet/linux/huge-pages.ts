/** The huge pages that the machine has set aside, by size. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatQuantity, quantityFromValue } from '../../api/quantities/quantity.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { readNumber } from './kernel-files.ts';

/** Every size that the kernel supports is listed, with 0 bytes if there is no page of it: `{ '2Mi': 134217728 }`. */
export async function readHugePages(folder = '/sys/kernel/mm/hugepages'): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for (const name of await readdir(folder).catch(ifMissing([]))) {
    const sizeKiB = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    if (sizeKiB === 0) continue;
    const count = readNumber(join(folder, name, 'nr_hugepages')) ?? 0;
    bytes[formatQuantity(quantityFromValue(sizeKiB * 1024, 'BinarySI'))] = count * sizeKiB * 1024;
  }
  return bytes;
}
