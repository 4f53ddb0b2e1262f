/** Paths of Wherry's own programs. */
import { fileURLToPath } from 'node:url';
import type { Programs } from '../host/cluster/cluster-context.ts';
import { programVersion } from '../host/processes/program-version.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The files are taken not to change while a command runs. */
let version: string | undefined;

export const programs: Programs = {
  node: process.execPath,
  server: here('./server.ts'),
  agent: here('./agent.ts'),
  heal: here('./heal.ts'),
  root: here('../..'),
  get version() {
    version ??= programVersion(this.root);
    return version;
  },
};
