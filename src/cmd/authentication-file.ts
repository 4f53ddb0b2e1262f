/** The file of --authentication-config: read at the start, and again whenever it changes. */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { readAuthenticationConfiguration } from '../apiserver/authentication/configuration.ts';
import { ConfiguredAuthentication } from '../apiserver/authentication/configured-authentication.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface AuthenticationFileOptions {
  file: string;
  /** Issuers of the server's own tokens. */
  ownIssuers: readonly string[];
  /** Tells this server's series from those of others. */
  serverId: string;
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
}

/** The notices of the system may be missed; upstream looks as often too. */
const pollMs = 60_000;

/**
 * A file that becomes wrong changes nothing, and the log says why.
 * @throws Error when it is wrong at the start
 */
export function followAuthenticationFile(
  options: AuthenticationFileOptions,
  signal: AbortSignal,
): ConfiguredAuthentication {
  const { file, clock, logger } = options;
  const configured = new ConfiguredAuthentication(options);
  const load = (text: string) =>
    configured.set(readAuthenticationConfiguration(parse(text), options.ownIssuers));
  let last = readFileSync(file, 'utf8');
  load(last);
  const tell = reloadMetrics(options);
  const reload = () => {
    try {
      const text = readFileSync(file, 'utf8');
      if (text === last) return;
      last = text;
      load(text);
      tell('success');
      logger.info('the authentication configuration has been read anew', { file });
    } catch (error) {
      tell('failure');
      logger.error('the authentication configuration cannot be used; the former one stays', { file, error });
    }
  };
  const watcher = watchFolder(dirname(file), reload, logger);
  const poll = async () => {
    while (!signal.aborted) {
      await pause(clock, pollMs, signal);
      if (!signal.aborted) reload();
    }
  };
  void poll();
  signal.addEventListener('abort', () => watcher?.close(), { once: true });
  return configured;
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

function reloadMetrics({ metrics, serverId, clock }: AuthenticationFileOptions) {
  const apiserver_id_hash = `sha256:${createHash('sha256').update(serverId).digest('hex')}`;
  const prefix = 'apiserver_authentication_config_controller_automatic_reload';
  const total = metrics.counter(
    `${prefix}s_total`,
    'Total number of automatic reloads of authentication configuration split by status and apiserver identity.',
  );
  const last = metrics.gauge(
    `${prefix}_last_timestamp_seconds`,
    'Timestamp of the last automatic reload of authentication configuration split by status and apiserver identity.',
  );
  return (status: 'success' | 'failure') => {
    total.add(1, { status, apiserver_id_hash });
    last.set(clock.now() / 1000, { status, apiserver_id_hash });
  };
}
