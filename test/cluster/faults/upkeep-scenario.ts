/**
 * What goes on around workloads, for controllers with a bad connection: nodes fall silent and return, a namespace is
 * deleted and made again under its name, quotas count, Jobs go when their time is over, and a Service follows its pods.
 */
import type { Draft } from '../../../src/api/meta.ts';
import {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Job,
  Namespace,
  Node,
  Pod,
  ResourceQuota,
  Service,
  ServiceAccount,
  StatefulSet,
} from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { isPodReady, isPodTerminal } from '../../../src/controllers/pods/pod-state.ts';
import { deploymentOf, jobOf, statefulSetOf } from '../workloads.ts';
import type { Run, Scenario } from './run-seed.ts';
import { findUnsettled } from './unsettled.ts';

const namespace = 'default';
/** The namespace that comes and goes. */
const passing = 'passing';
const marker = 'marker';
const goneWithinMs = 240_000;
const renewedWithinMs = 30_000;
/** Until a node is taken for lost, its turn to be emptied comes, and the tolerations of its pods end. */
const emptiedWithinMs = 120_000;
/** The most nodes that are silent at a time: a cluster of which no node is heard evicts nothing. */
const silentMax = 2;

/** Pods that leave a silent node soon. */
function impatient(app: string): object {
  const tolerations = ['not-ready', 'unreachable'].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 10,
  }));
  const containers = [{ name: 'c', image: 'web:1' }];
  return {
    template: {
      metadata: { labels: { app } },
      spec: { terminationGracePeriodSeconds: 2, tolerations, containers },
    },
  };
}

export const upkeep: Scenario = {
  nodes: 3,
  controllers: [
    'deployment',
    'replicaset',
    'statefulset',
    'job',
    'ttlafterfinished',
    'namespace',
    'tainteviction',
    'podgc',
    'resourcequota',
    'endpointslice',
  ],
  pauseMs: 60_000,
  async begin(run) {
    const { client, checker } = run;
    checker.expect('moved', { most: 4, fewest: 0 });
    checker.expect('kept', { most: 3, fewest: 0 });
    await client.create(Deployment, deploymentOf('moved', 4, 'web:1', impatient('moved')));
    await client.create(StatefulSet, statefulSetOf('kept', 3, 'web:1', impatient('kept')));
    await client.create(
      Service,
      sparse<Draft<Service>>({
        metadata: { name: 'moved', namespace },
        spec: { selector: { app: 'moved' }, ports: [{ port: 80 }] },
      }),
    );
    await client.create(
      ResourceQuota,
      sparse<Draft<ResourceQuota>>({
        metadata: { name: 'all', namespace },
        spec: { hard: { pods: '50', configmaps: '50', 'count/jobs.batch': '50' } },
      }),
    );
    await follow(run);
    await makePassing(run);
  },
  changes: [silenceOrReturn, silenceOrReturn, namespaceComesOrGoes, renewNamespace, addShortJob, addNote],
  async end(run) {
    await emptySilentNodes(run);
    for (const node of run.nodes) node.isSilent = false;
    const isGoing = async () => (await passingNamespace(run))?.metadata.deletionTimestamp !== undefined;
    await run.clock.advanceUntil(async () => !(await isGoing()), goneWithinMs);
    if (!(await passingNamespace(run))) await makePassing(run);
  },
  async problems({ client }) {
    const { items: namespaces } = await client.list(Namespace);
    return [
      ...(await nodeProblems(client)),
      ...(await quotaProblems(client)),
      ...(await serviceProblems(client)),
      ...(await jobsOverTime(client)),
      ...(namespaces.some(({ metadata }) => metadata.name === passing) ? [] : [`${passing} is gone`]),
      ...(await passingProblems(client)),
      ...(await findUnsettled(client, passing)),
    ];
  },
};

/** Uids of namespaces whose deletion was asked for. */
const askedToGo = new Set<string>();

/** What is in a namespace stays until its own deletion is asked for: that of an earlier one of its name is no reason. */
async function follow({ client, checker, signal }: Run): Promise<void> {
  const { metadata } = await client.list(ConfigMap, { namespace: passing });
  const { resourceVersion } = metadata;
  const events = client.watch(ConfigMap, { namespace: passing, resourceVersion }, signal);
  void (async () => {
    for await (const { type, object } of events) {
      const home = (object as ConfigMap).data?.namespace;
      if (type === 'DELETED' && object.metadata.name === marker && !askedToGo.has(home ?? ''))
        checker.broken.push(`${passing}: its content went, though nobody asked for it`);
    }
  })();
}

async function passingNamespace({ client }: Pick<Run, 'client'>): Promise<Namespace | undefined> {
  return (await client.list(Namespace)).items.find(({ metadata }) => metadata.name === passing);
}

async function makePassing({ client }: Run): Promise<void> {
  const made = await client.create(
    Namespace,
    sparse<Draft<Namespace>>({ metadata: { name: passing }, spec: {}, status: {} }),
  );
  const data = { namespace: made.metadata.uid };
  await client.create(
    ConfigMap,
    sparse<Draft<ConfigMap>>({ metadata: { name: marker, namespace: passing }, data }),
  );
  const within = deploymentOf('within', 2);
  await client.create(Deployment, { ...within, metadata: { ...within.metadata, namespace: passing } });
}

async function namespaceComesOrGoes(run: Run): Promise<void> {
  const present = await passingNamespace(run);
  if (!present) return await makePassing(run);
  if (present.metadata.deletionTimestamp) return;
  askedToGo.add(present.metadata.uid);
  await run.client.delete(Namespace, { name: passing });
}

/** Made again the moment that it is gone, while controllers may still believe in its predecessor. */
async function renewNamespace(run: Run): Promise<void> {
  const before = await passingNamespace(run);
  if (!before) return await makePassing(run);
  if (!before.metadata.deletionTimestamp) await namespaceComesOrGoes(run);
  const endMs = run.clock.now() + renewedWithinMs;
  while ((await passingNamespace(run)) && run.clock.now() < endMs) await run.clock.advance(50);
  if (!(await passingNamespace(run))) await makePassing(run);
}

/** No impatient pod is left to run on a node that is not heard of. */
async function emptySilentNodes({ client, clock, nodes, checker }: Run): Promise<void> {
  if (!nodes.some(({ isSilent }) => isSilent)) nodes[0]!.isSilent = true;
  await clock.advance(emptiedWithinMs);
  for (const { name } of nodes.filter(({ isSilent }) => isSilent)) {
    const fieldSelector = `spec.nodeName=${name}`;
    const { items } = await client.list(Pod, {
      namespace,
      fieldSelector,
      labelSelector: 'app in (moved, kept)',
    });
    const staying = items.filter(({ metadata }) => !metadata.deletionTimestamp);
    for (const { metadata } of staying) checker.broken.push(`${metadata.name} stays on silent ${name}`);
  }
}

async function silenceOrReturn({ nodes, random }: Run): Promise<void> {
  const node = nodes[Math.floor(random.next() * nodes.length)]!;
  const silent = nodes.filter(({ isSilent }) => isSilent).length;
  if (node.isSilent || silent < silentMax) node.isSilent = !node.isSilent;
}

async function addShortJob({ client, random }: Run): Promise<void> {
  const name = `short-${Math.floor(random.next() * 1e9)}`;
  await client.create(Job, jobOf(name, 'sleep 3; exit 0', { ttlSecondsAfterFinished: 5 }));
}

async function addNote({ client, random }: Run): Promise<void> {
  const name = `note-${Math.floor(random.next() * 1e9)}`;
  await client.create(ConfigMap, sparse<Draft<ConfigMap>>({ metadata: { name, namespace } }));
}

type Client = Run['client'];

async function nodeProblems(client: Client): Promise<string[]> {
  const { items } = await client.list(Node);
  return items.flatMap(({ metadata, spec, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
    const taints = (spec?.taints ?? []).map(({ key }) => key);
    return ready === 'True' && taints.length === 0
      ? []
      : [`${metadata.name}: ready is ${ready}, taints: ${taints}`];
  });
}

async function quotaProblems(client: Client): Promise<string[]> {
  const used = (await client.get(ResourceQuota, { name: 'all', namespace })).status?.used ?? {};
  const pods = (await client.list(Pod, { namespace })).items.filter((pod) => !isPodTerminal(pod));
  const counts: Record<string, number> = {
    pods: pods.length,
    configmaps: (await client.list(ConfigMap, { namespace })).items.length,
    'count/jobs.batch': (await client.list(Job, { namespace })).items.length,
  };
  return Object.entries(counts)
    .filter(([name, count]) => used[name] !== String(count))
    .map(([name, count]) => `quota: ${used[name]} ${name} are counted, there are ${count}`);
}

async function serviceProblems(client: Client): Promise<string[]> {
  const { items: pods } = await client.list(Pod, { namespace, labelSelector: 'app=moved' });
  const labelSelector = 'kubernetes.io/service-name=moved';
  const { items: slices } = await client.list(EndpointSlice, { namespace, labelSelector });
  const listed = slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ conditions }) => conditions?.ready).flatMap(({ addresses }) => addresses),
  );
  const wanted = pods.filter(isPodReady).map(({ status }) => status?.podIP);
  const isSame = listed.sort().join() === wanted.sort().join();
  return isSame ? [] : [`the service has ${listed}, its ready pods are ${wanted}`];
}

async function jobsOverTime(client: Client): Promise<string[]> {
  const { items } = await client.list(Job, { namespace });
  return items.map(({ metadata }) => `${metadata.name} has outlived its time`);
}

async function passingProblems(client: Client): Promise<string[]> {
  const [accounts, maps] = [
    await client.list(ServiceAccount, { namespace: passing }),
    await client.list(ConfigMap, { namespace: passing }),
  ];
  const present = [...accounts.items, ...maps.items].map(({ metadata }) => metadata.name);
  return ['default', 'kube-root-ca.crt', marker]
    .filter((name) => !present.includes(name))
    .map((name) => `${passing}: ${name} is missing`);
}
