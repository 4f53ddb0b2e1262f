/** Whether a running process is the one that would be started now. */
import { isDeepStrictEqual } from 'node:util';
import { isMissing } from '../../base/system/if-missing.ts';
import { type ProcessIdentity, runningProcess } from './process.ts';
import { type AgentConfig, readConfig, type ServerConfig } from './process-config.ts';

/**
 * The recorded process, if it was started with this very configuration, which names the version of the program too.
 * Undefined when nothing runs, or what runs is to be restarted: its containers and its clients stand that.
 */
export function processInForce(
  recordFile: string,
  configFile: string,
  config: ServerConfig | AgentConfig,
): ProcessIdentity | undefined {
  const running = runningProcess(recordFile);
  // As it is when it has been written and read.
  const wanted: unknown = JSON.parse(JSON.stringify(config));
  return running && isDeepStrictEqual(readIfWhole(configFile), wanted) ? running : undefined;
}

/** One that is lost or damaged is as good as another: the process is started again with a new one. */
function readIfWhole(configFile: string): unknown {
  try {
    return readConfig(configFile);
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return undefined;
    throw error;
  }
}
