/**
 * Namespaces that are deleted and made again the moment that they are gone, while the controller that empties them may
 * still believe in their predecessors.
 */
import type { Draft } from '../../../src/api/meta.ts';
import { ConfigMap, Namespace, Secret } from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { changeOf, type Rule } from './history.ts';
import { eventually, find, pick, type Run, remove, type Scenario } from './run-seed.ts';

const names = ['red', 'green'];
const marker = 'marker';
const held = 'held';
const hold = 'example.com/hold';
const renewedWithinMs = 20_000;

export const namespaces: Scenario = {
  nodes: 0,
  controllers: ['namespace'],
  pauseMs: 2_000,
  rounds: 16,
  cluster: { scheduler: false },
  async begin(run) {
    for (const name of names) await make(run, name);
  },
  changes: [comeOrGo, renew, renew, renew, letGo],
  async end(run) {
    for (const name of names) {
      await release(run, name);
      const present = () => find(run.client, Namespace, { metadata: { name } });
      await eventually(run, `${name} goes`, async () => !(await present())?.metadata.deletionTimestamp);
      if (!(await present())) await make(run, name);
    }
  },
  async problems({ client }) {
    const { items: maps } = await client.list(ConfigMap);
    const { items: secrets } = await client.list(Secret);
    const { items: present } = await client.list(Namespace);
    return names.flatMap((name) => {
      const home = present.find(({ metadata }) => metadata.name === name);
      const own = [...maps, ...secrets].filter(({ metadata }) => metadata.namespace === name);
      const isOf = ({ data }: (typeof own)[number]) =>
        data?.home === undefined || textOf(data.home) === home?.metadata.uid;
      const stale = own.filter((one) => !isOf(one)).map(({ metadata }) => metadata.name);
      return [
        ...(home && !home.metadata.deletionTimestamp ? [] : [`${name} is not there`]),
        ...(own.some(({ metadata }) => metadata.name === marker) ? [] : [`${name} has lost its content`]),
        ...stale.map((one) => `${name}: ${one} has outlived its namespace`),
      ];
    });
  },
  always: { of: [Namespace, ConfigMap, Secret], rule: contentRule },
};

/** What is in a namespace stays until its own deletion is asked for: that of an earlier one of its name is no reason. */
function contentRule(): Rule {
  return (change, world) => {
    const content = changeOf(change, ConfigMap) ?? changeOf(change, Secret);
    const home = content?.object.data?.home;
    if (!content?.isGone || !home) return [];
    const present = world.byUid(Namespace, textOf(home));
    const { name, namespace } = content.object.metadata;
    return present && !present.metadata.deletionTimestamp
      ? [`${namespace} lost ${name}, though it was to stay`]
      : [];
  };
}

/** Of a Secret it is in base64. */
function textOf(home: string): string {
  return home.includes('-') ? home : Buffer.from(home, 'base64').toString();
}

async function make({ client }: Run, name: string): Promise<void> {
  const made = await client.create(
    Namespace,
    sparse<Draft<Namespace>>({ metadata: { name }, spec: {}, status: {} }),
  );
  const home = made.metadata.uid;
  await client.create(ConfigMap, { metadata: { name: marker, namespace: name }, data: { home } });
  const encoded = Buffer.from(home).toString('base64');
  await client.create(
    Secret,
    sparse<Draft<Secret>>({ metadata: { name: marker, namespace: name }, data: { home: encoded } }),
  );
}

async function comeOrGo(run: Run): Promise<void> {
  const name = pick(run.random, names);
  const present = await find(run.client, Namespace, { metadata: { name } });
  if (!present) await make(run, name);
  else if (!present.metadata.deletionTimestamp) await remove(run, Namespace, present);
}

/** Its content goes at once, or only when something lets it go. */
async function renew(run: Run): Promise<void> {
  const { client, clock, random } = run;
  const name = pick(random, names);
  const present = () => find(client, Namespace, { metadata: { name } });
  const before = await present();
  if (!before) return await make(run, name);
  if (!before.metadata.deletionTimestamp) {
    if (random.next() < 0.3) await keep(run, name);
    await remove(run, Namespace, before);
  }
  const releaseAtMs = clock.now() + random.next() * 5_000;
  const endMs = clock.now() + renewedWithinMs;
  for (let isHeld = true; (await present()) && clock.now() < endMs; await clock.advance(50)) {
    if (isHeld && clock.now() >= releaseAtMs) {
      await release(run, name);
      isHeld = false;
    }
  }
  if (!(await present())) await make(run, name);
}

async function keep({ client }: Run, namespace: string): Promise<void> {
  const metadata = { name: held, namespace, finalizers: [hold] };
  if (!(await find(client, ConfigMap, { metadata }))) await client.create(ConfigMap, { metadata });
}

async function letGo(run: Run): Promise<void> {
  await release(run, pick(run.random, names));
}

async function release({ client }: Run, namespace: string): Promise<void> {
  const metadata = { name: held, namespace };
  const present = await find(client, ConfigMap, { metadata });
  if (present?.metadata.finalizers)
    await client.patch(ConfigMap, metadata, { metadata: { finalizers: null } }, { type: 'merge' });
}
