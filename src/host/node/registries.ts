/**
 * How the nodes of a cluster reach registries: addresses, mirrors, and trusted authorities. The user provides a folder
 * in containerd's format (`HOST/hosts.toml` and the files that it names); it is read for every pull.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import type { NodeFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';

/** Stands for all registries without their own folder; through it nodes find images loaded from files. */
export const everyRegistry = '_default';

/** Stores a copy of `source` for a cluster. @throws Failure that says what is wrong with it */
export function keepRegistries(source: string, kept: string): void {
  let names: string[];
  try {
    names = readdirSync(source);
  } catch (error) {
    const { errno, message } = error as NodeJS.ErrnoException;
    const why = errno === undefined ? message : getSystemErrorMessage(errno);
    throw new Failure(`--registries: cannot read ${source}: ${why}`);
  }
  for (const name of names) {
    const folder = join(source, name);
    if (name === everyRegistry)
      throw new Failure(`${folder} cannot be used: that name is taken by the images loaded from files`);
    if (!statSync(folder).isDirectory() || !existsSync(join(folder, 'hosts.toml')))
      throw new Failure(`${folder} is no folder with a hosts.toml, as each registry has one`);
  }
  const temporary = `${kept}.new`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(dirname(kept), { recursive: true });
  cpSync(source, temporary, { recursive: true, dereference: true });
  rmSync(kept, { recursive: true, force: true });
  renameSync(temporary, kept);
}

/** Where a node's containerd finds it. */
export function registriesOf({ etc }: Pick<NodeFolder, 'etc'>): string {
  return join(etc, 'registries');
}

/** Copies what was stored, if anything, to a node: no more and no less. */
export function giveRegistries(kept: string, target: string): void {
  if (!existsSync(kept)) return;
  mkdirSync(target, { recursive: true });
  const wanted = new Set(readdirSync(kept));
  for (const name of readdirSync(target))
    if (name !== everyRegistry && !wanted.has(name)) rmSync(join(target, name), { recursive: true });
  cpSync(kept, target, { recursive: true });
}
