/** `wherry logs`: the logs of Wherry's own processes. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { agentLogFile, serverLogFile } from '../../host/cluster/cluster-context.ts';
import type { ClusterRecord } from '../../host/cluster/cluster-record.ts';
import { Failure } from '../../host/failure.ts';
import { containerdLogFile } from '../../host/node/containerd.ts';
import { logAside } from '../../host/processes/process.ts';
import { supervisorLogFile } from '../../host/supervision/supervisor.ts';
import { accessLogName } from '../../network/ingress/ingress-objects.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { followLog } from '../follow-log.ts';
import { lastLines } from '../last-lines.ts';
import { existingCluster, nameOption, parseCount, parseOptions } from '../options/parse-options.ts';

const parts = ['server', 'agent', 'containerd', 'ingress', 'supervisor'];
const defaultLines = 50;

export const logs: Command = {
  summary: 'show the log of a part of the cluster',
  usage: '[server|agent|containerd|ingress|supervisor] [--name NAME] [--node NODE] [--tail N] [--follow]',
  details: [
    'server      API server, controllers and scheduler (shown unless another part is named)',
    'agent       kubelet, service network and DNS of a node',
    'containerd  the container runtime of a node',
    'ingress     who asked the ingress for what; of the node that answered last unless one is named',
    'supervisor  what was started again because it had died',
  ],
  async run(context, args) {
    const { values, positionals } = parseOptions(
      args,
      {
        ...nameOption,
        node: { type: 'string' },
        tail: { type: 'string' },
        follow: { type: 'boolean', short: 'f' },
      },
      1,
    );
    const part = positionals[0] ?? 'server';
    if (!parts.includes(part))
      throw new UsageError(`unknown part ${JSON.stringify(part)}; known are ${parts.join(', ')}`);
    const file = logFileOf(context, existingCluster(context, values), part, values.node);
    if (!existsSync(file)) throw new Failure(`there is no log yet: ${file}`);
    const tail = parseCount('--tail', values.tail) ?? defaultLines;
    if (values.follow) await follow(file, tail);
    else for (const line of recentLines(file, tail)) context.print(line);
    return 0;
  },
};

function logFileOf(
  context: CliContext,
  record: ClusterRecord,
  part: string,
  nodeName: string | undefined,
): string {
  const folder = context.data.cluster(record.name);
  if (part === 'server') return serverLogFile(folder);
  if (part === 'supervisor') return supervisorLogFile(folder);
  const accessLog = (name: string) => join(folder.node(name).varLog, accessLogName);
  if (part === 'ingress' && nodeName === undefined)
    return latest(record.nodes.map(({ name }) => accessLog(name))) ?? accessLog(record.name);
  const node = nodeName ?? record.nodes[0]?.name;
  if (!node || !record.nodes.some((each) => each.name === node))
    throw new Failure(`cluster ${record.name} has no node ${nodeName ?? 'of its own'}`);
  if (part === 'ingress') return accessLog(node);
  return part === 'agent' ? agentLogFile(folder, node) : containerdLogFile(folder.node(node));
}

/** The file that was written last, of those that are there. */
export function latest(files: readonly string[]): string | undefined {
  const written = (file: string) => statSync(file).mtimeMs;
  return files.filter((file) => existsSync(file)).sort((a, b) => written(b) - written(a))[0];
}

/** The last lines, of the log that was put aside last where this one has not enough of them. */
export function recentLines(file: string, count: number): string[] {
  const lines = lastLines(file, count);
  const aside = logAside(file);
  if (lines.length >= count || !existsSync(aside)) return lines;
  return [...lastLines(aside, count - lines.length), ...lines];
}

function follow(file: string, tail: number): Promise<void> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  return followLog({ file, tail, write: (bytes) => process.stdout.write(bytes) }, interrupted.signal);
}
