/** `wherry agent`: makes this machine a node of a cluster whose servers run elsewhere; in the foreground. */

import { hostname } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { createLogger } from '../../base/logger.ts';
import { processEnvironment } from '../../host/cluster/cluster-context.ts';
import {
  checkName,
  defaultClusterDomain,
  defaultPodCidr,
  defaultServiceCidr,
} from '../../host/cluster/cluster-record.ts';
import type { NodeFolder } from '../../host/data-folder.ts';
import { Failure } from '../../host/failure.ts';
import { withOwnLock } from '../../host/lock.ts';
import { inspectMachine } from '../../host/machine/machine.ts';
import { addressTowards } from '../../host/network/link.ts';
import { clusterDnsAddress } from '../../host/network/service-range.ts';
import { cniConfigFolder, cniPluginFolder, containerdSocket } from '../../host/node/containerd.ts';
import { ensureNodeIdentity, type JoinToken, parseJoinToken } from '../../host/node/join.ts';
import {
  ensureMachineAgent,
  ensureMachineNode,
  keepMachineNode,
  machineAgentLog,
  machineNodeFolder,
  stopMachineNode,
} from '../../host/node/machine-node.ts';
import { keepLogsShort } from '../../host/processes/log-limit.ts';
import { fillModuleCache } from '../../host/processes/module-cache.ts';
import type { ProcessIdentity } from '../../host/processes/process.ts';
import { type AgentConfig, writeConfig } from '../../host/processes/process-config.ts';
import type { KubeletConfiguration } from '../../kubelet/configuration/configuration.ts';
import { removeNodeNetwork } from '../../network/cleanup.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { stepsOf } from '../live-steps.ts';
import { readKubeletConfig } from '../options/kubelet-config.ts';
import { checkMachineAddress } from '../options/machine-address.ts';
import { parseOptions } from '../options/parse-options.ts';
import { prepareMachine } from './up.ts';

const clusterDns = clusterDnsAddress(defaultServiceCidr);

export const agent: Command = {
  summary: 'make this machine a node of a cluster elsewhere',
  usage: '--server URL[,URL…] --token TOKEN [--node NAME] [--address ADDRESS] [--kubelet-config FILE]',
  details: [
    'Runs until it is stopped, and starts again what of the node dies. "wherry server" prints the token.',
    "--server URLS      the cluster's servers; when one dies the next is asked",
    '--node NAME        the name of the node; that of this machine unless said',
    '--address ADDRESS  by which other nodes reach this machine',
    '--kubelet-config FILE  a KubeletConfiguration',
  ],
  async run(context, args) {
    const options = agentOptions(args);
    const lock = join(context.data.path, 'agent.lock');
    return withOwnLock(lock, anotherAgent, () => runAgent(context, options));
  },
};

/** A machine is one node; two commands would end each other's processes. */
function anotherAgent({ pid }: ProcessIdentity): Failure {
  return new Failure(`this machine is a node already: by wherry agent, process ${pid}`, {
    advice: `end that one first, if this is to take its place: kill ${pid}`,
  });
}

async function runAgent(context: CliContext, options: AgentOptions): Promise<number> {
  const { servers, token, nodeName, address: given, kubelet } = options;
  const steps = stepsOf(context);
  await prepareMachine(steps);
  const address = given ?? (await addressTowards(new URL(servers[0]!).hostname));
  checkMachineAddress(address);
  const folder = machineNodeFolder(context.data, nodeName);
  await steps.run(`Joining ${servers[0]} as ${nodeName}`, () =>
    ensureNodeIdentity({ folder: folder.pki, servers, token, nodeName }),
  );
  const machine = {
    data: context.data,
    machine: inspectMachine(),
    visible: [context.programs.root],
    nodeName,
    serviceCidr: defaultServiceCidr,
    address,
  };
  await fillModuleCache({ ...context, steps }, [context.programs.agent]);
  const asked = askedToStop();
  try {
    const configFile = join(folder.run, 'agent-config.json');
    const { node: program, agent: script } = context.programs;
    const start = async () => {
      const node = await ensureMachineNode(machine);
      const config = agentConfig(folder, { nodeName, address, servers, kubelet });
      writeConfig(configFile, { ...config, cgroupRoot: node.cgroupRoot });
      await ensureMachineAgent(node, {
        node: program,
        script,
        configFile,
        env: processEnvironment(context.data),
      });
    };
    await steps.run('Namespaces, containerd and agent', start);
    context.print(`node ${nodeName} at ${address} is at work; its log is ${machineAgentLog(folder)}`);
    const logger = createLogger({ clock: systemClock, write: (line) => process.stderr.write(line) });
    const parts = { clock: systemClock, logger, signal: asked };
    await Promise.all([
      keepMachineNode(folder, start, parts),
      keepLogsShort(async () => [folder.logs], parts),
    ]);
    return 0;
  } finally {
    await steps.run('Ending the node', async () => {
      await stopMachineNode(machine);
      await removeNodeNetwork({ nodeAddress: address, dnsAddress: clusterDns });
    });
  }
}

interface AgentOptions {
  servers: readonly string[];
  token: JoinToken;
  nodeName: string;
  /** Chosen by its route to the server when absent. */
  address: string | undefined;
  kubelet: KubeletConfiguration | undefined;
}

/** @throws UsageError or Failure */
function agentOptions(args: readonly string[]): AgentOptions {
  const { values } = parseOptions(args, {
    server: { type: 'string' },
    token: { type: 'string' },
    node: { type: 'string' },
    address: { type: 'string' },
    'kubelet-config': { type: 'string' },
  });
  if (!values.server || !values.token) throw new UsageError('--server and --token are needed');
  const servers = values.server.split(',');
  for (const each of servers)
    if (!each.startsWith('https://') || !URL.canParse(each))
      throw new UsageError(`--server takes URLs such as https://10.0.0.1:6443, not ${JSON.stringify(each)}`);
  const nodeName = values.node ?? hostname().toLowerCase();
  checkName('node', nodeName);
  return {
    servers,
    token: parseJoinToken(values.token),
    nodeName,
    address: values.address,
    kubelet: values['kubelet-config'] ? readKubeletConfig(values['kubelet-config']) : undefined,
  };
}

function agentConfig(
  folder: NodeFolder,
  node: Pick<AgentOptions, 'nodeName' | 'servers' | 'kubelet'> & { address: string },
): Omit<AgentConfig, 'cgroupRoot'> {
  const { nodeName, address, servers, kubelet } = node;
  return {
    nodeName,
    nodeAddress: address,
    servers,
    pkiFolder: folder.pki,
    runtimeSocket: containerdSocket,
    cniConfigFolder,
    cniPluginFolder,
    serviceCidr: defaultServiceCidr,
    podCidr: defaultPodCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns,
    resolvConf: join(folder.etc, 'resolv.conf'),
    ...(kubelet && { kubelet }),
    logLevel: 'info',
  };
}

function askedToStop(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
