/** A configuration file that is read at the start, and again whenever it changes. */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';

export interface FollowedFileOptions {
  file: string;
  /** Distinguishes this server's series from those of others. */
  serverId: string;
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
}

/** The notices of the system may be missed; upstream looks as often too. */
const pollMs = 60_000;

/**
 * `what`: `authentication` or `authorization`. `load` puts the text into force, or throws and changes nothing: a file that
 * becomes invalid is reported in the log.
 * @throws Error when it is wrong at the start
 */
export async function followFile(
  what: string,
  options: FollowedFileOptions,
  load: (text: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { file, clock, logger } = options;
  let last = readFileSync(file, 'utf8');
  await load(last);
  const tell = reloadMetrics(what, options);
  tell.loaded(last);
  const reload = async () => {
    try {
      const text = readFileSync(file, 'utf8');
      if (text === last) return;
      last = text;
      await load(text);
      tell.ended('success');
      tell.loaded(text);
      logger.info(`the ${what} configuration has been read anew`, { file });
    } catch (error) {
      tell.ended('failure');
      logger.error(`the ${what} configuration cannot be used; the former one stays`, { file, error });
    }
  };
  // One after the other: the newest text is in force at the end.
  let reloading = Promise.resolve();
  const again = () => {
    reloading = reloading.then(reload);
  };
  const watcher = watchFolder(dirname(file), again, logger);
  const poll = async () => {
    while (!signal.aborted) {
      await pause(clock, pollMs, signal);
      if (!signal.aborted) again();
    }
  };
  void poll();
  signal.addEventListener('abort', () => watcher?.close(), { once: true });
}

/** Of the folder: editors and mounted ConfigMaps put another file in the place of the old one. */
function watchFolder(folder: string, changed: () => void, logger: Logger): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed);
    watcher.on('error', (error) => logger.warn('changes are seen by looking only', { folder, error }));
    return watcher;
  } catch (error) {
    logger.warn('changes are seen by looking only', { folder, error });
    return undefined;
  }
}

function reloadMetrics(what: string, { metrics, serverId, clock }: FollowedFileOptions) {
  const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const apiserver_id_hash = sha256(serverId);
  const prefix = `apiserver_${what}_config_controller`;
  const total = metrics.counter(
    `${prefix}_automatic_reloads_total`,
    `Total number of automatic reloads of ${what} configuration split by status and apiserver identity.`,
  );
  const lastMs = metrics.gauge(
    `${prefix}_automatic_reload_last_timestamp_seconds`,
    `Timestamp of the last automatic reload of ${what} configuration split by status and apiserver identity.`,
  );
  const info = metrics.gauge(
    `${prefix}_last_config_info`,
    `Information about the last applied ${what} configuration with hash as label, split by apiserver identity.`,
  );
  let shown: string | undefined;
  return {
    ended(status: 'success' | 'failure') {
      total.add(1, { status, apiserver_id_hash });
      lastMs.set(clock.now() / 1000, { status, apiserver_id_hash });
    },
    loaded(text: string) {
      if (shown) info.remove({ apiserver_id_hash, hash: shown });
      shown = sha256(text);
      info.set(1, { apiserver_id_hash, hash: shown });
    },
  };
}
