/** Paths of Wherry's own programs. */
import { fileURLToPath } from 'node:url';
import type { Programs } from '../host/cluster-context.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const programs: Programs = {
  node: process.execPath,
  server: here('./server.ts'),
  agent: here('./agent.ts'),
  heal: here('./heal.ts'),
  root: here('../..'),
};
