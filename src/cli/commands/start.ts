/** `wherry start` (and `npm start`): a cluster, and a first application on it that answers. */
import { Deployment, Pod, Service } from '../../api/resources.gen.ts';
import { CommandError } from '../../base/system/command.ts';
import type { Client } from '../../client/client.ts';
import { defaultClusterDomain, defaultServiceCidr } from '../../host/cluster/cluster-record.ts';
import { Failure } from '../../host/failure.ts';
import { demoImage, demoPort, ensureDemoArchive } from '../../host/images/demo.ts';
import { listImageNames } from '../../host/images/load.ts';
import { obstacleToRealNodes } from '../../host/machine/machine.ts';
import { installPackages, kubectlRequirement, missingRequirements } from '../../host/machine/packages.ts';
import { clusterDnsAddress } from '../../host/network/service-range.ts';
import { type NodeNamespace, runInNode } from '../../host/node/node-namespace.ts';
import type { Steps } from '../../host/steps.ts';
import { waitFor } from '../../host/wait-for.ts';
import { connectAsAdmin } from '../admin-client.ts';
import type { CliContext, Command } from '../context.ts';
import { userKubeconfigPath } from '../kubeconfig-file.ts';
import { stepsOf } from '../live-steps.ts';
import { clusterNameOf, existingCluster, nameOption, parseOptions } from '../options/parse-options.ts';
import { loadEverywhere, runningNodes } from './image.ts';
import { startCluster } from './up.ts';

const replicas = 3;
/** The number of requests to the Service; more than there are pods, so that several answer. */
const questions = 6;
const rolloutMs = 120_000;
const dnsMs = 30_000;
const answerMs = 30_000;
const pollMs = 50;

export const start: Command = {
  summary: 'start a cluster and a demo on it (what "npm start" does)',
  usage: '[--name NAME] [--offline]',
  async run(context, args) {
    const { values } = parseOptions(args, { ...nameOption, offline: { type: 'boolean' } });
    const name = clusterNameOf(values);
    const steps = stepsOf(context);
    const obstacle = obstacleToRealNodes();
    if (obstacle) {
      context.print(`Real containers are not possible here: ${obstacle}.`);
      context.print(
        'Starting with a simulated node instead: the same control plane, pods that only pretend.\n',
      );
    } else await offerKubectl(context, steps);
    await startCluster(context, steps, {
      name,
      ...(obstacle && { simulate: 1 }),
      ...(values.offline !== undefined && { offline: values.offline }),
    });
    const client = connectAsAdmin(context, name);
    try {
      if (obstacle) await showSimulated(context, steps, client);
      else await showDemo(context, steps, client, name);
    } finally {
      client.close();
    }
    printNextSteps(context, name, { isReal: obstacle === undefined });
    return 0;
  },
};

/** A cluster is of little use without kubectl, but it runs: a failure here is only reported. */
async function offerKubectl(context: CliContext, steps: Steps): Promise<void> {
  if (missingRequirements([kubectlRequirement]).length === 0) return;
  try {
    await steps.run(`Installing ${kubectlRequirement.package} (kubectl)`, () =>
      installPackages([kubectlRequirement.package]),
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    context.complain(`   kubectl could not be installed: ${error.message}; ${error.advice ?? ''}`);
  }
}

async function showDemo(context: CliContext, steps: Steps, client: Client, name: string): Promise<void> {
  const nodes = runningNodes(context, { name });
  const { namespace } = nodes[0]!;
  await steps.run('Cluster DNS answers', () => waitForDns(namespace));
  await steps.run(`Image ${demoImage}, made of this Node`, async () => {
    const archive = await ensureDemoArchive(context.data);
    const lists = await Promise.all(nodes.map((node) => listImageNames(node.namespace)));
    const isEverywhere = lists.every((names) => names.includes(demoImage));
    if (!isEverywhere) await loadEverywhere(context, existingCluster(context, { name }), nodes, [archive]);
  });
  await steps.run(`Deployment demo: ${replicas} pods`, () => deploy(client));
  const service = await client.get(Service, { namespace: 'default', name: 'demo' });
  const address = service.spec?.clusterIP ?? '';
  const answers = await steps.run(`Asking the Service at ${address}`, () =>
    ask(namespace, `http://${address}/`),
  );
  context.print('');
  for (const answer of answers) context.print(`   ${answer}`);
}

async function showSimulated(context: CliContext, steps: Steps, client: Client): Promise<void> {
  await steps.run(`Deployment demo: ${replicas} simulated pods`, () => deploy(client));
  context.print('');
  const pods = await client.list(Pod, { namespace: 'default', labelSelector: 'app=demo' });
  for (const pod of pods.items) context.print(`   pod ${pod.metadata.name} is ${pod.status?.phase}`);
}

async function deploy(client: Client): Promise<void> {
  const labels = { app: 'demo' };
  const own = { fieldManager: 'wherry-start', type: 'apply', force: true } as const;
  const at = { namespace: 'default', name: 'demo' };
  const container = { name: 'demo', image: demoImage, ports: [{ containerPort: demoPort }] };
  await client.patch(
    Service,
    at,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...at, labels },
      spec: { selector: labels, ports: [{ port: 80, targetPort: demoPort }] },
    },
    own,
  );
  await client.patch(
    Deployment,
    at,
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...at, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    own,
  );
  const isDone = await waitFor(
    async () => {
      const { status, metadata } = await client.get(Deployment, at);
      return (
        (status?.observedGeneration === metadata.generation && status?.availableReplicas === replicas) ||
        undefined
      );
    },
    { limitMs: rolloutMs, pollMs },
  );
  if (!isDone)
    throw new Failure(`the pods of the demo are not ready after ${rolloutMs / 1000} s`, {
      advice: 'see what they say: kubectl describe pods -l app=demo',
    });
}

async function waitForDns(namespace: NodeNamespace): Promise<void> {
  const answered = await waitFor(
    async () => {
      try {
        await runInNode(namespace, [
          'busybox',
          'nslookup',
          `kubernetes.default.svc.${defaultClusterDomain}`,
          clusterDnsAddress(defaultServiceCidr),
        ]);
        return true;
      } catch (error) {
        if (error instanceof CommandError) return undefined;
        throw error;
      }
    },
    { limitMs: dnsMs, pollMs },
  );
  if (!answered)
    throw new Failure('cluster DNS does not answer', { advice: 'see: wherry logs agent, and wherry doctor' });
}

/** Runs in the node: makes this many requests, each on a separate connection, and prints the answers. */
const askScript = `const { get } = require('node:http');
const ask = (left) => left > 0 && get(process.argv[1], { agent: false, timeout: 5000 }, (answer) => {
  answer.setEncoding('utf8').on('data', (text) => process.stdout.write(text)).on('end', () => ask(left - 1));
}).on('timeout', () => process.exit(1));
ask(Number(process.argv[2]));`;

/** A pod counts as ready when its program has started, a moment before the program listens. */
async function ask(namespace: NodeNamespace, url: string): Promise<string[]> {
  let cause: CommandError | undefined;
  const answers = await waitFor(
    async () => {
      try {
        const output = await runInNode(namespace, [
          process.execPath,
          '-e',
          askScript,
          url,
          String(questions),
        ]);
        return output.trimEnd().split('\n');
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        cause = error;
        return undefined;
      }
    },
    { limitMs: answerMs, pollMs },
  );
  if (answers) return answers;
  throw new Failure(`the Service of the demo does not answer within ${answerMs / 1000} s`, {
    advice: 'see: kubectl get pods,endpoints; wherry logs agent',
    cause,
  });
}

function printNextSteps(context: CliContext, name: string, { isReal }: { isReal: boolean }): void {
  const flag = name === 'wherry' ? '' : ` --name ${name}`;
  const lines = [
    '',
    `The cluster runs. kubectl is set to it (${userKubeconfigPath(context.env)}). Try:`,
    '',
    '   kubectl get pods -o wide',
    ...(isReal ? ['   kubectl port-forward service/demo 8080:80      then: curl http://localhost:8080'] : []),
    '   kubectl scale deployment demo --replicas=5',
    '   kubectl apply -f examples/',
    '',
    `   ./wherry status${flag}    what runs        ./wherry down${flag}      stop, keep everything`,
    `   ./wherry help              all commands     ./wherry delete${flag}    remove everything`,
  ];
  for (const line of lines) context.print(line);
}
