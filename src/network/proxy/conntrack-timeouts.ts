/** How long the kernel remembers TCP connections without traffic: kube-proxy's defaults. */
import type { Logger } from '../../base/logger.ts';
import type { RunCommand } from '../command.ts';

const folder = '/proc/sys/net/netfilter';
const timeoutsSeconds: Record<string, number> = {
  nf_conntrack_tcp_timeout_established: 24 * 60 * 60,
  // A client that has finished sending may have to wait for its answer longer than the kernel's minute.
  nf_conntrack_tcp_timeout_close_wait: 60 * 60,
};

/**
 * Called once the rules are in the kernel: the settings of a network namespace appear when it first tracks connections.
 * A program writes them, since it can run in the namespace of a node that this process is not in.
 */
export async function setConntrackTimeouts({
  run,
  logger,
}: {
  run: RunCommand;
  logger: Logger;
}): Promise<void> {
  const writes = Object.entries(timeoutsSeconds).map(
    ([name, seconds]) => `echo ${seconds} >${folder}/${name}`,
  );
  try {
    await run('sh', ['-ec', writes.join('\n')]);
  } catch (error) {
    logger.warn('how long connections are remembered could not be set', { error });
  }
}
