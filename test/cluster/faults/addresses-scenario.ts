/**
 * Addresses that must not be given twice: ranges of nodes, addresses of load balancers, and ranges of services that stay
 * as long as an address in them is in use.
 */
import type { Draft } from '../../../src/api/meta.ts';
import { ConfigMap, IPAddress, Node, Service, ServiceCIDR } from '../../../src/api/resources.gen.ts';
import { StatusError } from '../../../src/api/status.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { type Change, changeOf, type Rule, type World } from './history.ts';
import { find, modify, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

const nodeNames = ['n0', 'n1', 'n2', 'n3', 'n4'];
const balanced = ['lb0', 'lb1', 'lb2', 'lb3', 'lb4'];
const plain = ['plain0', 'plain1'];
/** The second is a part of the first. */
const ranges: Readonly<Record<string, string>> = { more: '10.7.0.0/28', part: '10.7.0.0/29' };
const poolAt = { name: 'load-balancer', namespace: 'kube-system' };
const pools = ['10.9.0.1-10.9.0.5', '10.9.0.1-10.9.0.3', '10.9.0.4-10.9.0.9'];
const cleanup = 'service.kubernetes.io/load-balancer-cleanup';

export const addresses: Scenario = {
  nodes: 0,
  controllers: ['loadbalancer', 'servicecidr'],
  pauseMs: 3_000,
  rounds: 25,
  // Ranges are kept for ten seconds, in which news of an address must arrive.
  lagMaxMs: 2_000,
  cluster: { scheduler: false },
  async begin({ client }) {
    await client.create(ConfigMap, { metadata: poolAt, data: { addresses: pools[0]! } });
    for (const name of nodeNames.slice(0, 2)) await client.create(Node, nodeOf(name));
    for (const name of balanced.slice(0, 2)) await client.create(Service, balancedOf(name));
  },
  changes: [
    nodesComeOrGo,
    nodesComeOrGo,
    balancedComeOrGo,
    balancedComeOrGo,
    retype,
    repool,
    rangeComesOrGoes,
    plainComesOrGoes,
    askWhatGoes,
  ],
  /** One more than there are addresses waits for one that becomes free, and ranges go that are no longer in use. */
  async end(run) {
    const { client, clock } = run;
    await client.patch(ConfigMap, poolAt, { data: { addresses: pools[0] } }, { type: 'merge' });
    for (const name of plain) {
      const present = await find(client, Service, { metadata: { name } });
      if (present) await remove(run, Service, present);
    }
    for (const name of [...balanced, 'waiting'])
      if (!(await find(client, Service, { metadata: { name } })))
        await client.create(Service, balancedOf(name));
    await clock.advance(10_000);
    const first = (await client.list(Service, { namespace })).items.find(addressOf);
    if (first) await remove(run, Service, first);
  },
  async problems({ client }) {
    const { items: nodes } = await client.list(Node);
    const { items: services } = await client.list(Service, { namespace });
    const { items: cidrs } = await client.list(ServiceCIDR);
    return [
      ...nodes.flatMap(nodeProblems),
      ...services.flatMap(serviceProblems),
      ...cidrs.flatMap(rangeProblems),
    ];
  },
  always: { of: [Node, Service, ServiceCIDR, IPAddress], rule: addressesRule },
};

function addressesRule(): Rule {
  return (change, world) => {
    const node = changeOf(change, Node);
    const service = changeOf(change, Service);
    const range = changeOf(change, ServiceCIDR);
    return [
      ...(node && !node.isGone ? nodeRule(node, world) : []),
      ...(service && !service.isGone ? balancerRule(service, world) : []),
      ...(range?.isGone && isProtected(range.before) ? stranded(range.object, world) : []),
    ];
  };
}

function nodeRule({ object, before }: Change<Node>, world: World): string[] {
  const { podCIDR } = object.spec ?? {};
  const { name, uid } = object.metadata;
  if (before?.spec?.podCIDR && before.spec.podCIDR !== podCIDR) return [`node ${name} got another range`];
  const other = world
    .all(Node)
    .find(({ metadata, spec }) => podCIDR && metadata.uid !== uid && spec?.podCIDR === podCIDR);
  return other ? [`nodes ${name} and ${other.metadata.name} share ${podCIDR}`] : [];
}

function addressOf({ spec, status }: Service): string | undefined {
  return spec?.type === 'LoadBalancer' ? status?.loadBalancer?.ingress?.[0]?.ip : undefined;
}

function balancerRule({ object }: Change<Service>, world: World): string[] {
  const address = addressOf(object);
  const { name, uid, finalizers = [] } = object.metadata;
  if (address && !finalizers.includes(cleanup) && !object.metadata.deletionTimestamp)
    return [`service ${name} has ${address}, and nothing that keeps it`];
  const other = world
    .all(Service)
    .find((one) => address && one.metadata.uid !== uid && addressOf(one) === address);
  return other ? [`services ${name} and ${other.metadata.name} share ${address}`] : [];
}

/**
 * As upstream's, a range hands out addresses from the start, and is kept for them once its controller has seen it: one
 * that is deleted sooner just goes.
 */
function isProtected(range: ServiceCIDR | undefined): boolean {
  return range?.metadata.finalizers?.includes('networking.k8s.io/service-cidr-finalizer') ?? false;
}

function stranded({ metadata }: ServiceCIDR, world: World): string[] {
  const isMore = metadata.name === 'more';
  const lies = (address: IPAddress) => {
    const last = Number(/^10\.7\.0\.(\d+)$/.exec(address.metadata.name)?.[1] ?? Number.POSITIVE_INFINITY);
    // The last address of a range is for its broadcasts, and in no use that would keep it.
    return isMore ? last < 15 : last < 7;
  };
  const others = world.all(ServiceCIDR).map((one) => one.metadata.name);
  const isCovered = ({ metadata: { name } }: IPAddress) =>
    others.includes('more') || (others.includes('part') && Number(name.split('.')[3]) < 7);
  return world
    .all(IPAddress)
    .filter((address) => lies(address) && !isCovered(address))
    .map((address) => `range ${metadata.name} went while ${address.metadata.name} was in use`);
}

function nodeOf(name: string): Draft<Node> {
  return sparse<Draft<Node>>({ metadata: { name }, spec: {} });
}

function balancedOf(name: string): Draft<Service> {
  return sparse<Draft<Service>>({
    metadata: { name, namespace },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  });
}

/** Several at once: each must see what the other was given. */
async function nodesComeOrGo(run: Run): Promise<void> {
  const { client, random } = run;
  for (const name of nodeNames.filter(() => random.next() < 0.6)) {
    const present = await find(client, Node, { metadata: { name } });
    if (present) await remove(run, Node, present);
    if (!present || random.next() < 0.5) await client.create(Node, nodeOf(name));
  }
}

async function balancedComeOrGo(run: Run): Promise<void> {
  const { client, random } = run;
  for (const name of balanced.filter(() => random.next() < 0.5)) {
    const present = await find(client, Service, { metadata: { name } });
    if (!present) await client.create(Service, balancedOf(name));
    else if (!present.metadata.deletionTimestamp) await remove(run, Service, present);
  }
}

async function retype({ client, random }: Run): Promise<void> {
  const metadata = { name: pick(random, balanced) };
  await modify(client, Service, { metadata }, (service) => {
    const type = service.spec?.type === 'LoadBalancer' ? ('ClusterIP' as const) : ('LoadBalancer' as const);
    const { allocateLoadBalancerNodePorts: _, ports, ...spec } = service.spec!;
    const plainPorts = ports?.map(({ nodePort: __, ...port }) => port);
    return { ...service, spec: { ...spec, type, ports: plainPorts! } };
  });
}

async function repool({ client, random }: Run): Promise<void> {
  await client.patch(ConfigMap, poolAt, { data: { addresses: pick(random, pools) } }, { type: 'merge' });
}

async function rangeComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, Object.keys(ranges));
  const present = await find(client, ServiceCIDR, { metadata: { name } });
  if (!present) await client.create(ServiceCIDR, { metadata: { name }, spec: { cidrs: [ranges[name]!] } });
  else if (!present.metadata.deletionTimestamp) await remove(run, ServiceCIDR, present);
}

/** A service that asks for an address in one of the ranges gets it only while a range is ready. */
async function plainComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, plain);
  const present = await find(client, Service, { metadata: { name } });
  if (present) return await remove(run, Service, present);
  const clusterIP = `10.7.0.${1 + Math.floor(random.next() * 13)}`;
  const draft = { metadata: { name, namespace }, spec: { clusterIP, ports: [{ port: 80 }] } };
  await client.create(Service, draft).catch((error: unknown) => {
    if (!(error instanceof StatusError && error.code === 422)) throw error;
  });
}

/** A range is to go just when a service has got an address in it. */
async function askWhatGoes(run: Run): Promise<void> {
  const { client, random, clock } = run;
  await plainComesOrGoes(run);
  await clock.advance(random.next() * 100);
  for (const name of Object.keys(ranges)) {
    const present = await find(client, ServiceCIDR, { metadata: { name } });
    if (present && !present.metadata.deletionTimestamp) await remove(run, ServiceCIDR, present);
  }
}

function nodeProblems({ metadata: { name }, spec }: Node): string[] {
  // No kubelet speaks for it.
  const isTakenForLost = spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/unreachable');
  return [
    ...(spec?.podCIDR ? [] : [`node ${name} has no range`]),
    ...(isTakenForLost ? [] : [`node ${name} is not taken for lost`]),
  ];
}

function serviceProblems(service: Service): string[] {
  const { name, deletionTimestamp, finalizers = [] } = service.metadata;
  const address = service.status?.loadBalancer?.ingress?.[0]?.ip;
  if (deletionTimestamp) return [`service ${name} does not go`];
  const isBalanced = service.spec?.type === 'LoadBalancer';
  if (isBalanced && !/^10\.9\.0\.[1-5]$/.test(address ?? ''))
    return [`service ${name} has address ${address}`];
  if (!isBalanced && (address || finalizers.includes(cleanup))) return [`service ${name} keeps ${address}`];
  return [];
}

function rangeProblems({ metadata, status }: ServiceCIDR): string[] {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  if (metadata.deletionTimestamp) return [`range ${metadata.name} does not go`];
  return ready === 'True' ? [] : [`range ${metadata.name}: ready is ${ready}`];
}
