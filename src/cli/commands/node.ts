/** `wherry node`: the nodes of a cluster of this machine. */
import { Node } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { ClusterContext } from '../../host/cluster/cluster-context.ts';
import { planNode, planNodeStart, removeOneNode, stopOneNode } from '../../host/cluster/cluster-nodes.ts';
import { connectAsAdmin } from '../admin-client.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { stepsOf } from '../live-steps.ts';
import { existingCluster, nameOption, parseOptions, parseVerb } from '../options/parse-options.ts';
import { startCluster } from './up.ts';

const verbs = ['list', 'add', 'stop', 'start', 'delete'] as const;

export const node: Command = {
  summary: 'list, add, stop, start and delete nodes',
  usage: 'list | add [NODE] | stop NODE | start NODE | delete NODE   [--name NAME]',
  details: [
    'stop    silences a node as a power cut would: the cluster finds out by itself',
    'start   brings it back',
    'delete  ends it and removes its object',
  ],
  async run(context, args) {
    const { values, positionals } = parseOptions(args, nameOption, 2);
    const verb = parseVerb(positionals[0], verbs);
    const name = positionals[1];
    const record = existingCluster(context, values);
    const steps = stepsOf(context);
    const cluster: ClusterContext = { data: context.data, programs: context.programs, steps };
    if (verb === 'list') {
      for (const each of record.nodes) context.print(`${each.name}${each.stopped ? '   stopped' : ''}`);
      return 0;
    }
    if (verb === 'add') {
      const added = await planNode(cluster, record.name, name);
      await startCluster(context, steps, { name: record.name });
      context.print(`node ${added} is there`);
      return 0;
    }
    if (!name) throw new UsageError(`node ${verb} needs the name of a node`);
    if (verb === 'stop')
      await steps.run(`Silencing node ${name}`, () => stopOneNode(cluster, record.name, name));
    else if (verb === 'start') {
      await planNodeStart(cluster, record.name, name);
      await startCluster(context, steps, { name: record.name });
    } else {
      await steps.run(`Ending node ${name}`, () => removeOneNode(cluster, record.name, name));
      await steps.run(`Removing its object`, () => deleteNodeObject(context, record.name, name));
    }
    return 0;
  },
};

async function deleteNodeObject(context: CliContext, cluster: string, name: string): Promise<void> {
  const client = connectAsAdmin(context, cluster);
  try {
    await client.delete(Node, { name }).catch(undefinedIfNotFound);
  } finally {
    client.close();
  }
}
