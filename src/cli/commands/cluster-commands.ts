/** Commands about a whole cluster that already exists. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../base/text/error-message.ts';
import { listClusterRecords, loadClusterRecord } from '../../host/cluster/cluster-record.ts';
import { deleteCluster, down as downCluster } from '../../host/cluster.ts';
import { adminEntry } from '../cluster-kubeconfig.ts';
import type { Command } from '../context.ts';
import {
  contextName,
  removeFromKubeconfig,
  renderKubeconfig,
  userKubeconfigPath,
} from '../kubeconfig-file.ts';
import { stepsOf } from '../live-steps.ts';
import { clusterNameOf, existingCluster, nameOption, parseOptions } from '../options/parse-options.ts';

export const down: Command = {
  summary: 'stop a cluster; what it stored stays',
  usage: '[--name NAME]',
  async run(context, args) {
    const { values } = parseOptions(args, nameOption);
    const record = existingCluster(context, values);
    const steps = stepsOf(context);
    await downCluster({ data: context.data, programs: context.programs, steps }, record.name);
    return 0;
  },
};

export const remove: Command = {
  summary: 'stop a cluster and remove everything it stored',
  usage: '[--name NAME | --all]',
  async run(context, args) {
    const { values } = parseOptions(args, { ...nameOption, all: { type: 'boolean' } });
    const names = values.all
      ? listClusterRecords(context.data).map((record) => record.name)
      : [clusterNameOf(values)];
    const steps = stepsOf(context);
    const failures: unknown[] = [];
    for (const name of names) {
      if (!loadClusterRecord(context.data.cluster(name))) {
        context.print(`there is no cluster ${name}`);
        continue;
      }
      try {
        await deleteCluster({ data: context.data, programs: context.programs, steps }, name);
        await removeFromKubeconfig(userKubeconfigPath(context.env), contextName(name));
        context.print(`cluster ${name} is deleted`);
      } catch (error) {
        if (!values.all) throw error;
        // The others go all the same.
        context.complain(`cluster ${name} is not deleted: ${messageOf(error)}`);
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    // Archives and compiled code can be made again; with the last cluster they go, too.
    if (existsSync(context.data.clusters) && readdirSync(context.data.clusters).length === 0)
      for (const path of [context.data.clusters, context.data.images, context.data.compileCache])
        if (path.startsWith(join(context.data.path, '/'))) rmSync(path, { recursive: true, force: true });
    return 0;
  },
};

export const kubeconfig: Command = {
  summary: "print the kubeconfig of a cluster's administrator",
  usage: '[--name NAME]',
  async run(context, args) {
    const { values } = parseOptions(args, nameOption);
    const record = existingCluster(context, values);
    context.print(renderKubeconfig(adminEntry(context.data.cluster(record.name), record)).trimEnd());
    return 0;
  },
};
