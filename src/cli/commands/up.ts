/** `wherry up`: brings a cluster up from whatever state it is in. */

import { loadClusterRecord } from '../../host/cluster/cluster-record.ts';
import { up as upCluster } from '../../host/cluster.ts';
import { Failure } from '../../host/failure.ts';
import { obstacleToRealNodes } from '../../host/machine/machine.ts';
import { installPackages, missingRequirements, nodeRequirements } from '../../host/machine/packages.ts';
import type { Steps } from '../../host/steps.ts';
import { adminEntry } from '../cluster-kubeconfig.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { mergeIntoKubeconfig, sudoUser, userKubeconfigPath } from '../kubeconfig-file.ts';
import { stepsOf } from '../live-steps.ts';
import {
  apiServerDetails,
  apiServerFileOptions,
  apiServerOptions,
  apiServerSettings,
} from '../options/api-server-options.ts';
import { readKubeletConfig } from '../options/kubelet-config.ts';
import { parsePool, poolOption } from '../options/load-balancer-pool.ts';
import { checkNamedFiles } from '../options/named-files.ts';
import { clusterNameOf, nameOption, parseCount, parseOptions } from '../options/parse-options.ts';

export const up: Command = {
  summary: 'start a cluster, or repair one that runs',
  usage:
    '[--name NAME] [--nodes N] [--simulate[=N]] [--offline] [--load-balancer-pool FIRST-LAST] [--scheduler-config FILE] [--kubelet-config FILE] [--registries DIR]',
  details: [
    '--name NAME    another cluster beside the first ("wherry")',
    '--nodes N      nodes on this machine; more can be added later',
    '--simulate[=N] N simulated nodes (1 unless said) instead of real ones: needs neither root nor Linux',
    '--offline      nodes get no way out of this machine, also when it has one',
    '--load-balancer-pool FIRST-LAST  addresses for services of type LoadBalancer, a part of 172.30.N.128-172.30.N.254;',
    '               a new cluster has its nodes on 172.30.N.0/24 then',
    '--scheduler-config FILE  a KubeSchedulerConfiguration',
    ...apiServerDetails,
    '--kubelet-config FILE    a KubeletConfiguration for every node',
    '--registries DIR         how nodes reach registries: HOST[:PORT]/hosts.toml and its certificates, as in',
    '                         /etc/containerd/certs.d; holds from the next pull on',
    'A cluster that runs takes these settings at once: its server and agents are restarted where they differ, and so',
    'they are for another version of Wherry. Its pods go on running.',
  ],
  async run(context, args) {
    const { simulate, rest } = takeSimulate(args);
    const { values } = parseOptions(rest, {
      ...nameOption,
      nodes: { type: 'string' },
      offline: { type: 'boolean' },
      ...poolOption,
      'scheduler-config': { type: 'string' },
      ...apiServerOptions,
      'kubelet-config': { type: 'string' },
      registries: { type: 'string' },
    });
    const api = apiServerSettings(values);
    checkNamedFiles(values, ['scheduler-config', ...apiServerFileOptions]);
    const nodes = parseCount('--nodes', values.nodes);
    const loadBalancerPool = parsePool(values['load-balancer-pool']);
    if (simulate !== undefined && nodes !== undefined)
      throw new UsageError('--nodes is for real nodes; use --simulate=N for N simulated ones');
    const steps = stepsOf(context);
    await startCluster(context, steps, {
      name: clusterNameOf(values),
      ...(nodes !== undefined && { nodes }),
      ...(simulate !== undefined && { simulate }),
      ...(values.offline !== undefined && { offline: values.offline }),
      ...(values['kubelet-config'] && { kubeletConfiguration: readKubeletConfig(values['kubelet-config']) }),
      ...(values.registries && { registriesFolder: values.registries }),
      ...(values['scheduler-config'] && { schedulerConfigFile: values['scheduler-config'] }),
      ...(loadBalancerPool && { loadBalancerPool }),
      ...(api && { api }),
    });
    return 0;
  },
};

/** `--simulate` may stand alone or carry a number, which the parser of options does not know. */
function takeSimulate(args: readonly string[]): { simulate: number | undefined; rest: string[] } {
  const flag = args.findLast((arg) => arg === '--simulate' || arg.startsWith('--simulate='));
  const rest = args.filter((arg) => arg !== '--simulate' && !arg.startsWith('--simulate='));
  if (flag === undefined) return { simulate: undefined, rest };
  const [, count] = flag.split('=');
  return { simulate: count === undefined ? 1 : parseCount('--simulate', count), rest };
}

/** Everything from packages to the kubeconfig. */
export async function startCluster(
  context: CliContext,
  steps: Steps,
  options: Parameters<typeof upCluster>[1],
): Promise<void> {
  const isSimulated =
    (loadClusterRecord(context.data.cluster(options.name))?.simulatedNodes ?? options.simulate ?? 0) > 0;
  if (!isSimulated) await prepareMachine(steps);
  const record = await upCluster({ data: context.data, programs: context.programs, steps }, options);
  const path = userKubeconfigPath(context.env);
  const entry = adminEntry(context.data.cluster(record.name), record);
  await steps.run(`kubectl's context "${entry.name}" in ${path}`, () =>
    mergeIntoKubeconfig(path, entry, sudoUser(context.env)),
  );
}

export async function prepareMachine(steps: Steps): Promise<void> {
  const obstacle = obstacleToRealNodes();
  if (obstacle) {
    throw new Failure(obstacle, {
      advice:
        process.platform === 'linux'
          ? 'run it with sudo, or try: wherry up --simulate'
          : 'try: wherry up --simulate',
    });
  }
  const missing = missingRequirements(nodeRequirements).map((requirement) => requirement.package);
  if (missing.length > 0) await steps.run(`Installing ${missing.join(', ')}`, () => installPackages(missing));
}
