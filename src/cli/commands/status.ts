/** `wherry status`: what runs of a cluster; the exit code tells whether all of it is well. */
import { apiProbe } from '../../host/api-probe.ts';
import { agentRecordFile, serverRecordFile } from '../../host/cluster/cluster-context.ts';
import type { ClusterRecord } from '../../host/cluster/cluster-record.ts';
import type { ClusterFolder } from '../../host/data-folder.ts';
import { findContainerd } from '../../host/node/containerd.ts';
import { findNodeNamespace } from '../../host/node/node-namespace.ts';
import { readyNodes } from '../../host/node/readiness.ts';
import { runningProcess } from '../../host/processes/process.ts';
import { readRestartHistories } from '../../host/supervision/restart-histories.ts';
import type { RestartHistories } from '../../host/supervision/restart-plan.ts';
import { findSupervisor } from '../../host/supervision/supervisor.ts';
import type { Command } from '../context.ts';
import { existingCluster, nameOption, parseOptions } from '../options/parse-options.ts';

export const status: Command = {
  summary: 'say what runs; exit code 0 only when every node is Ready, or stopped by hand',
  usage: '[--name NAME] [--output json]',
  async run(context, args) {
    const { values } = parseOptions(args, { ...nameOption, output: { type: 'string', short: 'o' } });
    const record = existingCluster(context, values);
    const state = await stateOf(record, context.data.cluster(record.name));
    if (values.output === 'json') context.print(JSON.stringify(asJson(state), undefined, 2));
    else for (const line of describeCluster(state, Date.now())) context.print(line);
    return isWell(state) ? 0 : 1;
  },
};

export interface ClusterState {
  record: ClusterRecord;
  apiServer: 'running' | 'not ready' | 'stopped';
  /** Names of nodes, as the API server has them. */
  ready: ReadonlySet<string>;
  nodes: readonly (NodeState & { name: string })[];
  isSupervised: boolean;
  restarts: RestartHistories;
}

async function stateOf(record: ClusterRecord, folder: ClusterFolder): Promise<ClusterState> {
  const server = runningProcess(serverRecordFile(folder));
  // Of a cluster that never came up there may be no keys to ask with.
  const probe = server && apiProbe({ host: '127.0.0.1', port: record.apiPort, pkiFolder: folder.pki });
  const isServing = (await probe?.get('/readyz'))?.status === 200;
  const list = isServing ? await probe?.get('/api/v1/nodes') : undefined;
  const ready = list?.status === 200 ? readyNodes(list.body) : new Set<string>();
  const nodes = record.nodes.map((node) => ({
    name: node.name,
    ready: ready.has(node.name),
    running: findNodeNamespace(folder.node(node.name)) !== undefined,
    containerd: findContainerd(folder.node(node.name)) !== undefined,
    agent: runningProcess(agentRecordFile(folder, node.name)) !== undefined,
    stopped: node.stopped ?? false,
  }));
  return {
    record,
    apiServer: isServing ? 'running' : server ? 'not ready' : 'stopped',
    ready,
    nodes,
    isSupervised: findSupervisor(folder) !== undefined,
    restarts: readRestartHistories(folder),
  };
}

export function isWell({ apiServer, record, ready, nodes }: ClusterState): boolean {
  if (apiServer !== 'running') return false;
  return record.simulatedNodes > 0
    ? ready.size >= record.simulatedNodes
    : nodes.every((node) => isReady(node) || node.stopped);
}

function asJson(state: ClusterState): object {
  const { record, apiServer, nodes, isSupervised, restarts } = state;
  return {
    name: record.name,
    apiServer,
    port: record.apiPort,
    simulatedNodes: record.simulatedNodes,
    nodes,
    supervised: isSupervised,
    restarts: Object.fromEntries(Object.entries(restarts).map(([name, { count }]) => [name, count])),
    well: isWell(state),
  };
}

export function* describeCluster(state: ClusterState, nowMs: number): Iterable<string> {
  const { record, apiServer, ready, nodes, isSupervised, restarts } = state;
  const isKnown = apiServer === 'running';
  yield `cluster     ${record.name}`;
  yield `API server  ${describeServer(state)}`;
  if (record.simulatedNodes > 0)
    yield `nodes       ${ready.size} of ${record.simulatedNodes} simulated nodes Ready`;
  for (const node of nodes)
    yield `node        ${node.name}: ${describeNode(node, { isSupervised, isKnown })}`;
  if (Object.keys(restarts).length > 0)
    yield `restarts    ${describeRestarts(restarts, nowMs)} (wherry logs supervisor)`;
}

function describeServer({ record, apiServer, isSupervised }: ClusterState): string {
  if (apiServer === 'running') return `running at https://127.0.0.1:${record.apiPort}`;
  const ofCluster = record.name === 'wherry' ? '' : ` --name ${record.name}`;
  if (apiServer === 'not ready') return `not ready (wherry logs${ofCluster})`;
  if (isSupervised) return 'does not run: to be started again at once';
  return `stopped: wherry up${ofCluster} starts it`;
}

export interface NodeState {
  /** As the API server sees it, which notices a sudden death only after a while. */
  ready: boolean;
  running: boolean;
  containerd: boolean;
  agent: boolean;
  stopped: boolean;
}

export function isReady({ ready, running, containerd, agent }: NodeState): boolean {
  return ready && running && containerd && agent;
}

/** `isKnown`: there is an API server to say whether nodes are ready. */
export function describeNode(
  node: NodeState,
  { isSupervised, isKnown }: { isSupervised: boolean; isKnown: boolean },
): string {
  if (node.stopped) return 'stopped by hand';
  if (!node.running) return 'stopped';
  if (isReady(node)) return 'Ready';
  const dead = [!node.containerd && 'containerd', !node.agent && 'its agent'].filter(Boolean);
  if (dead.length === 0) return isKnown ? 'NotReady' : 'runs; only the API server knows whether it is Ready';
  const what = `${dead.join(' and ')} ${dead.length > 1 ? 'do' : 'does'} not run`;
  return `${what}: ${isSupervised ? 'to be started again at once' : 'wherry up mends it'}`;
}

/** What died since `up`, and was started again: how often, and when last. */
export function describeRestarts(restarts: RestartHistories, nowMs: number): string {
  return Object.entries(restarts)
    .map(([name, { count, atMs }]) => `${name} ${count}, last ${describeAge(nowMs - atMs)} ago`)
    .join('; ');
}

function describeAge(ageMs: number): string {
  const seconds = Math.max(0, Math.round(ageMs / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes}m` : `${Math.round(minutes / 60)}h`;
}
