/**
 * Plugins of the node put a socket into a folder; each is asked for its identity, and registered. A plugin that removes
 * its socket is gone.
 */
import { watch } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { withRegistrar } from './driver-client.ts';
import type { PluginInfo } from './messages.ts';

export interface PluginRegistryOptions {
  /** `/var/lib/kubelet/plugins_registry` */
  folder: string;
  clock: Clock;
  logger: Logger;
  /** By type, as plugins name it: `CSIPlugin`. */
  kinds: Readonly<Record<string, PluginKind>>;
  /** Node's `fs.watch`, unless a test has another. */
  watchFolder?: typeof watch;
}

/** What the kubelet does with plugins of one type. */
export interface PluginKind {
  /** @throws Error when it is rejected; the plugin is given the reason */
  register(plugin: PluginInfo): Promise<void>;
  /** The plugin is gone. */
  unregister(plugin: PluginInfo): Promise<void>;
}

interface Seen {
  /** Another socket at the same path is another plugin. */
  identity: string;
  plugin: PluginInfo;
}

/** The folder is also polled, as file events may be missed. */
const lookMs = 30_000;
const retry = { firstMs: 500, maxMs: 120_000 };

export class PluginRegistry {
  readonly #options: PluginRegistryOptions;
  /** By path of the socket. */
  readonly #seen = new Map<string, Seen>();
  #wake: (() => void) | undefined;
  #failures = 0;

  constructor(options: PluginRegistryOptions) {
    this.#options = options;
  }

  /** Resolves when the folder is watched, where that is possible; follows it until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { folder, logger, watchFolder = watch } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    try {
      const watcher = watchFolder(folder, { signal }, () => this.#wake?.());
      watcher.on('error', (error) => {
        if (!signal.aborted) logger.warn('the folder of plugins is not watched any more', { error });
      });
    } catch (error) {
      // The machine may have run out of watches: plugins are still found, only later.
      logger.warn('the folder of plugins is not watched', { error });
    }
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let changed = false;
      const notified = new Promise<void>((resolve) => {
        this.#wake = () => {
          changed = true;
          resolve();
        };
      });
      const isDone = await this.#look(signal).catch((error: unknown) => {
        this.#options.logger.warn('the folder of plugins cannot be read', { error });
        return false;
      });
      this.#failures = isDone ? 0 : this.#failures + 1;
      if (changed) continue;
      const waitMs = isDone ? lookMs : Math.min(lookMs, backoffDelayMs(retry, this.#failures - 1));
      const over = new AbortController();
      const waiting = pause(this.#options.clock, waitMs, AbortSignal.any([signal, over.signal]));
      await Promise.race([notified, waiting]);
      over.abort();
    }
  }

  /** False when the plugin is to be asked again. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const sockets = await findSockets(this.#options.folder);
    for (const [path, { identity, plugin }] of this.#seen) {
      if (sockets.get(path) === identity) continue;
      this.#seen.delete(path);
      if (!this.#isStillThere(plugin)) await this.#remove(plugin);
    }
    let isDone = true;
    for (const [path, identity] of sockets) {
      if (signal.aborted || this.#seen.has(path)) continue;
      const plugin = await this.#register(path);
      if (plugin === undefined) isDone = false;
      else this.#seen.set(path, { identity, plugin });
    }
    return isDone;
  }

  /** Under another socket: a restarted plugin may appear with the next one before the old one is gone. */
  #isStillThere({ type, name, endpoint }: PluginInfo): boolean {
    return [...this.#seen.values()].some(
      ({ plugin }) => plugin.type === type && plugin.name === name && plugin.endpoint === endpoint,
    );
  }

  async #register(path: string): Promise<PluginInfo | undefined> {
    const { logger } = this.#options;
    try {
      return await withRegistrar(path, async ({ info, notify }) => {
        const answer = await info();
        const plugin = { ...answer, endpoint: answer.endpoint || path };
        try {
          await this.#kindOf(plugin, path).register(plugin);
        } catch (error) {
          await notify((error as Error).message);
          throw error;
        }
        await notify(undefined);
        logger.info('a plugin registered', { type: plugin.type, plugin: plugin.name });
        return plugin;
      });
    } catch (error) {
      logger.warn('a plugin could not be registered', { socket: path, error });
      return undefined;
    }
  }

  /** @throws Error in upstream's words */
  #kindOf({ type }: PluginInfo, path: string): PluginKind {
    const found = this.#options.kinds[type];
    if (found) return found;
    throw new Error(
      `RegisterPlugin error -- no handler registered for plugin type: ${type} at socket ${path}`,
    );
  }

  async #remove(plugin: PluginInfo): Promise<void> {
    const { logger, kinds } = this.#options;
    const { type, name } = plugin;
    logger.info('a plugin is gone', { type, plugin: name });
    try {
      await kinds[type]?.unregister(plugin);
    } catch (error) {
      logger.warn('a plugin could not be taken out', { type, plugin: name, error });
    }
  }
}

/**
 * By path, with what distinguishes a socket from a later one at the same path. A folder that vanishes meanwhile does
 * not hide the others.
 */
export async function findSockets(
  folder: string,
  found = new Map<string, string>(),
): Promise<Map<string, string>> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(ifMissing([]))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await findSockets(path, found);
      continue;
    }
    const stats = await stat(path).catch(ifMissing(undefined));
    if (stats?.isSocket()) found.set(path, `${stats.ino} ${stats.ctimeMs}`);
  }
  return found;
}
