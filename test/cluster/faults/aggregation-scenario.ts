/** ClusterRoles that are put together from others, over two levels, while their parts come, change and go. */
import type { Draft } from '../../../src/api/meta.ts';
import { ClusterRole } from '../../../src/api/resources.gen.ts';
import type { PolicyRule } from '../../../src/api/types/rbac-v1.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { changeOf, type Rule } from './history.ts';
import { find, modify, pick, type Run, remove, type Scenario } from './run-seed.ts';

const label = (level: string) => `example.com/${level}`;
const wholes = ['middle', 'top'] as const;
const parts = ['a', 'b', 'c', 'd'];

export const aggregation: Scenario = {
  nodes: 0,
  controllers: ['clusterroleaggregation'],
  pauseMs: 3_000,
  rounds: 25,
  cluster: { scheduler: false },
  async begin({ client, random }) {
    for (const whole of wholes) await client.create(ClusterRole, wholeOf(whole));
    for (const part of parts) await client.create(ClusterRole, partOf(part, random.next()));
  },
  changes: [partComesOrGoes, partComesOrGoes, changePart, changePart, changePart, tamper],
  async problems({ client }) {
    const { items } = await client.list(ClusterRole);
    return wholes.flatMap((name) => {
      const selected = items.filter(({ metadata }) => metadata.labels?.[label(name)]);
      const wanted = textsOf(selected.flatMap(({ rules }) => rules ?? []));
      const role = items.find(({ metadata }) => metadata.name === name);
      const held = (role?.rules ?? []).map((rule) => JSON.stringify(rule));
      const isSame = held.length === wanted.length && textsOf(role?.rules ?? []).join() === wanted.join();
      return isSame ? [] : [`${name} holds ${held}, not ${wanted}`];
    });
  },
  always: { of: [ClusterRole], rule: rulesRule },
};

/** Nobody is ever allowed what no part has allowed. */
function rulesRule(): Rule {
  const allowed = new Set<string>();
  return (change) => {
    const role = changeOf(change, ClusterRole)?.object;
    const texts = (role?.rules ?? []).map((rule) => JSON.stringify(rule));
    if (!role?.aggregationRule) for (const text of texts) allowed.add(text);
    const isWhole = role !== undefined && wholes.some((name) => name === role.metadata.name);
    const foreign = isWhole ? texts.filter((text) => !allowed.has(text) && !text.includes('tampered')) : [];
    return foreign.map((text) => `${role?.metadata.name} allows ${text}, which no part has`);
  };
}

function textsOf(rules: readonly PolicyRule[]): string[] {
  return [...new Set(rules.map((rule) => JSON.stringify(rule)))].sort();
}

/** `middle` selects the parts; `top` selects `middle` and some parts. */
function wholeOf(name: (typeof wholes)[number]): Draft<ClusterRole> {
  return sparse<Draft<ClusterRole>>({
    metadata: { name, ...(name === 'middle' && { labels: { [label('top')]: 'yes' } }) },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label(name)]: 'yes' } }] },
    rules: [],
  });
}

function partOf(name: string, chance: number): Draft<ClusterRole> {
  const level = chance < 0.7 ? 'middle' : 'top';
  return sparse<Draft<ClusterRole>>({
    metadata: { name, labels: { [label(level)]: 'yes' } },
    rules: [ruleOf(Math.floor(chance * 10))],
  });
}

function ruleOf(number: number): PolicyRule {
  return { apiGroups: ['example.com'], resources: [`widgets-${number}`], verbs: ['get'] };
}

async function partComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, parts);
  const present = await find(client, ClusterRole, { metadata: { name } });
  if (present) await remove(run, ClusterRole, present);
  else await client.create(ClusterRole, partOf(name, random.next()));
}

async function changePart({ client, random }: Run): Promise<void> {
  const metadata = { name: pick(random, parts) };
  const rules = [0, 1].map(() => ruleOf(Math.floor(random.next() * 10)));
  const labels = partOf(metadata.name, random.next()).metadata.labels!;
  await modify(client, ClusterRole, { metadata }, (role) => ({
    ...role,
    metadata: { ...role.metadata, labels },
    rules,
  }));
}

/** What is put together is not for its users to write. */
async function tamper({ client, random }: Run): Promise<void> {
  const rules = [{ apiGroups: [''], resources: ['tampered'], verbs: ['*'] }];
  await modify(client, ClusterRole, { metadata: { name: pick(random, wholes) } }, (role) => ({
    ...role,
    rules,
  }));
}
