/** The clusters that a bench measures: one of its own, and any other that commands start and a kubeconfig leads to. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import type { HttpTransportOptions } from '../src/client/transport/http-transport.ts';

export interface BenchedCluster {
  name: string;
  /** Undefined: it runs already, and goes on running. */
  start?: () => void;
  stop?: () => void;
  /** Leaves nothing behind of what `start` made. */
  remove(): void;
  connection(): Promise<HttpTransportOptions>;
  /** Named by the command lines of its processes; undefined where they cannot be seen from here. */
  dataFolder?: string;
}

export interface OtherClusterOptions {
  kubeconfig: string;
  context?: string | undefined;
  'data-folder'?: string | undefined;
  start?: string | undefined;
  stop?: string | undefined;
}

export function ownCluster(): BenchedCluster {
  const home = mkdtempSync(join(tmpdir(), 'wherry-bench-'));
  const kubeconfig = join(home, 'kubeconfig');
  const program = fileURLToPath(new URL('../wherry', import.meta.url));
  const wherry = (verb: string) =>
    runToEnd(program, [verb], { ...process.env, WHERRY_HOME: home, KUBECONFIG: kubeconfig });
  return {
    name: 'wherry',
    dataFolder: home,
    start: () => wherry('up'),
    stop: () => wherry('down'),
    remove() {
      wherry('delete');
      rmSync(home, { recursive: true, force: true });
    },
    connection: async () => (await loadKubeconfig(kubeconfig)).connection,
  };
}

/** `start` and `stop` are lines for a shell; the first returns when the cluster can be used. */
export function otherCluster(options: OtherClusterOptions): BenchedCluster {
  const { kubeconfig, context, start, stop, 'data-folder': dataFolder } = options;
  const shell = (line: string) => () => runToEnd('sh', ['-c', line], process.env);
  return {
    name: 'other',
    ...(dataFolder && { dataFolder }),
    ...(start && { start: shell(start) }),
    ...(stop && { stop: shell(stop) }),
    remove: stop ? shell(stop) : () => undefined,
    connection: async () => (await loadKubeconfig(kubeconfig, context)).connection,
  };
}

/** Its output is not piped: what goes on running in the background would hold the other end. */
function runToEnd(command: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, error } = spawnSync(command, args, {
    env,
    stdio: ['ignore', process.stderr.fd, 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed with ${status}`);
}
