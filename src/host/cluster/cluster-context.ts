/** The context of commands on clusters of this machine, and how Wherry's own processes are run. */
import { join } from 'node:path';
import type { ClusterFolder, DataFolder } from '../data-folder.ts';
import { nodeSearchPath } from '../node/node-namespace.ts';
import type { Steps } from '../steps.ts';

/** How to start Wherry's own processes. */
export interface Programs {
  node: string;
  server: string;
  agent: string;
  /** Starts again what has died. */
  heal: string;
  /** The folder of the program, which nodes must see. */
  root: string;
  /** Another one for every change of the program's files. */
  readonly version: string;
}

export interface ClusterContext {
  data: DataFolder;
  programs: Programs;
  steps: Steps;
}

export const serverRecordFile = (folder: ClusterFolder) => join(folder.run, 'server.json');
export const serverLogFile = (folder: ClusterFolder) => join(folder.logs, 'server.log');
export const agentRecordFile = (folder: ClusterFolder, node: string) =>
  join(folder.node(node).run, 'agent.json');
export const agentLogFile = (folder: ClusterFolder, node: string) =>
  join(folder.node(node).logs, 'agent.log');

/**
 * A way to collect garbage when the process is idle (base/system/idle-memory.ts), and modules without their types from a
 * cache.
 */
const commonFlags = [
  '--expose-gc',
  '--import',
  new URL('../processes/stripped-modules.mjs', import.meta.url).href,
];

/** A small young generation, since objects either die at once or live in caches. */
export const nodeFlags = ['--max-semi-space-size=16', ...commonFlags];

/**
 * The server's may grow further while there is much to do, so that more of what a burst of writes makes dies young. One of
 * 64 MB does more for writes in great numbers, but the first thousands are a sixth slower: new memory costs most.
 */
export const serverNodeFlags = ['--max-semi-space-size=32', ...commonFlags];

/** With the cache that {@link nodeFlags} make use of; the C library's allocator is set to return memory. */
export function processEnvironment(data: DataFolder): NodeJS.ProcessEnv {
  return {
    PATH: nodeSearchPath,
    WHERRY_STRIPPED_MODULES: data.moduleCache,
    MALLOC_ARENA_MAX: '2',
    MALLOC_TRIM_THRESHOLD_: '1000000',
  };
}
