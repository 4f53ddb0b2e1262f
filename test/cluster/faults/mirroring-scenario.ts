/**
 * Services without a selector, whose Endpoints are made by hand and mirrored into slices. Both come and go; a service gets
 * a selector and loses it again.
 */
import type { Draft, KubeObject } from '../../../src/api/meta.ts';
import { EndpointSlice, Endpoints, ReplicaSet, Service } from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { replicaSetOf } from '../workloads.ts';
import { changeOf, type Rule } from './history.ts';
import { find, modify, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

const names = ['outside', 'beyond'];
const selector = { app: 'inside' };
const serviceLabel = 'kubernetes.io/service-name';
const managedBy = 'endpointslice.kubernetes.io/managed-by';
const mirrorer = 'endpointslicemirroring-controller.k8s.io';
/** Endpoints that a controller has made for the pods of a service. */
const ofController = 'endpoints.kubernetes.io/managed-by';

export const mirroring: Scenario = {
  nodes: 1,
  controllers: ['replicaset', 'endpoints', 'endpointslice', 'endpointslicemirroring'],
  pauseMs: 4_000,
  rounds: 20,
  async begin(run) {
    await run.client.create(ReplicaSet, replicaSetOf('inside', 2));
    for (const name of names) {
      await run.client.create(Service, serviceOf(name));
      await run.client.create(Endpoints, endpointsOf(run, name));
    }
  },
  changes: [changeAddresses, changeAddresses, endpointsComeOrGo, serviceComesOrGoes, renew, renew, select],
  async end(run) {
    for (const name of names)
      if (!(await find(run.client, Service, { metadata: { name } })))
        await run.client.create(Service, serviceOf(name));
  },
  async problems({ client }) {
    const { items: services } = await client.list(Service, { namespace });
    const { items: all } = await client.list(Endpoints, { namespace });
    const { items: slices } = await client.list(EndpointSlice, { namespace });
    return names.flatMap((name) => {
      const service = services.find(({ metadata }) => metadata.name === name);
      const endpoints = all.find(({ metadata }) => metadata.name === name);
      // A service that has lost its selector keeps the slices that it had for pods.
      const mirrored = slices.filter(
        ({ metadata: { labels } }) => labels?.[serviceLabel] === name && labels[managedBy] === mirrorer,
      );
      if (service?.spec?.selector)
        return mirrored.length > 0 ? [`${name} has a selector, and mirrored slices`] : [];
      return mirrorProblems(name, endpoints, mirrored);
    });
  },
  always: { of: [Service, Endpoints], rule: endpointsRule },
};

/** What was made by hand for a service goes only by hand, or with the service. */
function endpointsRule({ asked }: Run): Rule {
  const made = new Map<string, number>();
  const orderOf = (one: KubeObject | undefined) => made.get(one?.metadata.uid ?? '') ?? Infinity;
  return (change, world) => {
    if (!change.before) made.set(change.object.metadata.uid, made.size);
    const endpoints = changeOf(change, Endpoints);
    if (!endpoints?.isGone || !isByHand(endpoints.object)) return [];
    const { name, uid } = endpoints.object.metadata;
    const service = world.all(Service).find(({ metadata }) => metadata.name === name);
    const isForIt = names.includes(name) && orderOf(endpoints.object) > orderOf(service);
    return isForIt && !asked.has(uid) ? [`endpoints ${name} went, though their service is there`] : [];
  };
}

function mirrorProblems(
  name: string,
  endpoints: Endpoints | undefined,
  slices: readonly EndpointSlice[],
): string[] {
  const outliving = slices.filter(
    ({ metadata }) => metadata.ownerReferences?.[0]?.uid !== endpoints?.metadata.uid,
  );
  const held = slices.flatMap((slice) =>
    (slice.endpoints ?? []).map(
      ({ addresses, conditions }) => `${addresses}:${slice.ports?.[0]?.port} ${conditions?.ready}`,
    ),
  );
  const wanted = wantedOf(endpoints);
  return [
    ...outliving.map(({ metadata }) => `slice ${metadata.name} has outlived its Endpoints`),
    ...(held.sort().join() === wanted.sort().join()
      ? []
      : [`${name}: mirrored are ${held}, wanted ${wanted}`]),
  ];
}

/** An address that is listed as ready and as not ready is not, as upstream. */
function wantedOf(endpoints: Endpoints | undefined): string[] {
  const readiness = new Map<string, boolean>();
  for (const { addresses = [], notReadyAddresses = [], ports } of endpoints?.subsets ?? []) {
    const note = (ready: boolean) => (one: { ip: string }) =>
      readiness.set(`${one.ip}:${ports?.[0]?.port}`, ready);
    addresses.forEach(note(true));
    notReadyAddresses.forEach(note(false));
  }
  return [...readiness].map(([place, ready]) => `${place} ${ready}`);
}

function serviceOf(name: string): Draft<Service> {
  return sparse<Draft<Service>>({ metadata: { name, namespace }, spec: { ports: [{ port: 80 }] } });
}

function endpointsOf({ random }: Run, name: string): Draft<Endpoints> {
  const address = () => ({
    ip: `10.9.${Math.floor(random.next() * 8)}.${1 + Math.floor(random.next() * 250)}`,
  });
  const ports = [{ port: 8000 + Math.floor(random.next() * 2), protocol: 'TCP' as const }];
  return sparse<Draft<Endpoints>>({
    metadata: { name, namespace },
    subsets: [{ addresses: [address(), address()], notReadyAddresses: [address()], ports }],
  });
}

async function changeAddresses(run: Run): Promise<void> {
  const metadata = { name: pick(run.random, names) };
  const { subsets } = endpointsOf(run, metadata.name);
  await modify(run.client, Endpoints, { metadata }, (endpoints) =>
    isByHand(endpoints) ? { ...endpoints, subsets: subsets! } : endpoints,
  );
}

function isByHand({ metadata }: Endpoints): boolean {
  return metadata.labels?.[ofController] === undefined;
}

async function endpointsComeOrGo(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, names);
  const present = await find(client, Endpoints, { metadata: { name } });
  if (present) await remove(run, Endpoints, present);
  else if (await find(client, Service, { metadata: { name } }))
    await client.create(Endpoints, endpointsOf(run, name));
}

async function serviceComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, names);
  const present = await find(client, Service, { metadata: { name } });
  if (present) await remove(run, Service, present);
  else await client.create(Service, serviceOf(name));
}

/** A service and its Endpoints are deleted, and others take their names soon after. */
async function renew(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const metadata = { name: pick(random, names) };
  for (const type of [Service, Endpoints]) {
    const present = await find(client, type, { metadata });
    if (present) await remove(run, type, present);
  }
  await clock.advance(random.next() * 200);
  await client.create(Service, serviceOf(metadata.name));
  if (!(await find(client, Endpoints, { metadata })))
    await client.create(Endpoints, endpointsOf(run, metadata.name));
}

/** The service is for pods from now on, or no longer. */
async function select(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const metadata = { name: pick(random, names) };
  const set = (value: Record<string, string> | undefined) =>
    modify(client, Service, { metadata }, ({ spec, ...service }) => {
      const { selector: _, ...rest } = spec!;
      return { ...service, spec: { ...rest, ...(value && { selector: value }) } };
    });
  await set(selector);
  await clock.advance(random.next() * 3_000);
  if (random.next() < 0.5) await set(undefined);
}
