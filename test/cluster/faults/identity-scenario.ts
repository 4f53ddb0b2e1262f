/**
 * What proves identities: the default account and the cluster's authority of every namespace, and the tokens of accounts
 * that are deleted and made again under their names.
 */
import type { Draft } from '../../../src/api/meta.ts';
import { ConfigMap, Namespace, Secret, ServiceAccount } from '../../../src/api/resources.gen.ts';
import { isNotFound } from '../../../src/api/status.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { changeOf, type Rule, type World } from './history.ts';
import { find, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

const robots = ['robot', 'worker'];
const namespaces = [namespace, 'other'];
const authority = 'kube-root-ca.crt';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

export const identity: Scenario = {
  nodes: 0,
  controllers: ['tokensecret'],
  pauseMs: 3_000,
  rounds: 20,
  cluster: {
    scheduler: false,
    issueSecretToken: (_namespace, secret, account) => `${secret} ${account.name} ${account.uid}`,
  },
  async begin(run) {
    const { client } = run;
    await client.create(Namespace, { metadata: { name: 'other' }, spec: {}, status: {} });
    for (const name of robots) await client.create(ServiceAccount, { metadata: { name, namespace } });
    for (const name of robots) await makeSecret(run, `${name}-0`, name);
  },
  changes: [
    accountComesOrGoes,
    renewAccount,
    renewAccount,
    renewSecret,
    secretComesOrGoes,
    dropGiven,
    dropGiven,
  ],
  async end(run) {
    for (const name of robots) {
      const account = await find(run.client, ServiceAccount, { metadata: { name } });
      if (!account) await run.client.create(ServiceAccount, { metadata: { name, namespace } });
    }
    for (const name of robots) await makeSecret(run, `${name}-last`, name);
  },
  async problems({ client }) {
    const { items: secrets } = await client.list(Secret, { namespace });
    const { items: accounts } = await client.list(ServiceAccount);
    const { items: maps } = await client.list(ConfigMap);
    const lacking = namespaces.flatMap((one) => [
      ...(accounts.some(({ metadata }) => metadata.namespace === one && metadata.name === 'default')
        ? []
        : [`${one} has no default account`]),
      ...(maps.some(
        ({ metadata, data }) =>
          metadata.namespace === one &&
          metadata.name === authority &&
          JSON.stringify(data) === JSON.stringify({ 'ca.crt': 'test authority' }),
      )
        ? []
        : [`${one} lacks the cluster's authority`]),
    ]);
    const last = robots
      .map((name) => `${name}-last`)
      .filter((name) => !secrets.some(({ metadata }) => metadata.name === name));
    return [
      ...lacking,
      ...last.map((name) => `secret ${name} is gone`),
      ...secrets.flatMap((secret) => secretProblems(secret, accounts)),
    ];
  },
  always: { of: [ServiceAccount, Secret], rule: tokensRule },
};

/** A token is its account's for good, and a secret goes only with its account: the one that it has, or was made for. */
function tokensRule({ asked }: Run): Rule {
  const madeFor = new Map<string, string | undefined>();
  return (change, world) => {
    const secret = changeOf(change, Secret);
    if (!secret) return [];
    const { object, before, isGone } = secret;
    const { name, uid, annotations } = object.metadata;
    if (!before) madeFor.set(uid, accountOf(object, world)?.metadata.uid);
    if (isGone) {
      const account = accountOf(object, world);
      const own = annotations?.[uidAnnotation] ?? madeFor.get(uid);
      const isNeeded = account !== undefined && own === account.metadata.uid;
      return isNeeded && !asked.has(uid) ? [`secret ${name} went, though its account is there`] : [];
    }
    const [token, former] = [tokenOf(object), before && tokenOf(before)];
    if (token && former && token !== former) return [`the token in ${name} changed`];
    if (token && !token.endsWith(annotations?.[uidAnnotation] ?? 'no account'))
      return [`secret ${name} has the token of another account`];
    return [];
  };
}

function tokenOf({ data }: Secret): string | undefined {
  return data?.token && Buffer.from(data.token, 'base64').toString();
}

/** The account that has the name now. */
function accountOf({ metadata }: Secret, world: World): ServiceAccount | undefined {
  const name = metadata.annotations?.[nameAnnotation];
  return world
    .all(ServiceAccount)
    .find((one) => one.metadata.name === name && one.metadata.namespace === metadata.namespace);
}

/** The server refuses a secret whose account is not there. */
async function makeSecret({ client }: Run, name: string, account: string): Promise<void> {
  const annotations = { [nameAnnotation]: account };
  await client.create(
    Secret,
    sparse<Draft<Secret>>({
      metadata: { name, namespace, annotations },
      type: 'kubernetes.io/service-account-token',
    }),
  );
}

async function accountComesOrGoes(run: Run): Promise<void> {
  const name = pick(run.random, robots);
  const present = await find(run.client, ServiceAccount, { metadata: { name } });
  if (present) await remove(run, ServiceAccount, present);
  else await run.client.create(ServiceAccount, { metadata: { name, namespace } });
}

/** Made again at once, and asked for a token. */
async function renewAccount(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const name = pick(random, robots);
  const present = await find(client, ServiceAccount, { metadata: { name } });
  if (present) await remove(run, ServiceAccount, present);
  await clock.advance(random.next() * 100);
  await client.create(ServiceAccount, { metadata: { name, namespace } });
  await clock.advance(random.next() * 100);
  await makeSecret(run, `${name}-${Math.floor(random.next() * 1e9)}`, name);
}

/** Another takes the name of the secret, when the account of the first is gone. */
async function renewSecret(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const account = pick(random, robots);
  const metadata = { name: `${account}-main` };
  const before = await find(client, ServiceAccount, { metadata: { name: account } });
  if (before) await remove(run, ServiceAccount, before);
  await clock.advance(random.next() * 200);
  const secret = await find(client, Secret, { metadata });
  if (secret) await remove(run, Secret, secret);
  await client.create(ServiceAccount, { metadata: { name: account, namespace } });
  if (!(await find(client, Secret, { metadata }))) await makeSecret(run, metadata.name, account);
}

async function secretComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const { items } = await client.list(Secret, { namespace });
  if (items.length > 0 && random.next() < 0.5) return await remove(run, Secret, pick(random, items));
  const name = pick(random, robots);
  if (await find(client, ServiceAccount, { metadata: { name } }))
    await makeSecret(run, `${name}-${Math.floor(random.next() * 1e9)}`, name);
}

/** What every namespace is given is taken from it, or falsified. */
async function dropGiven(run: Run): Promise<void> {
  const { client, random } = run;
  const metadata = { name: random.next() < 0.5 ? 'default' : authority, namespace: pick(random, namespaces) };
  const forged = { data: { 'ca.crt': 'forged', more: 'x' } };
  try {
    if (metadata.name === 'default') await client.delete(ServiceAccount, metadata);
    else if (random.next() < 0.5) await client.delete(ConfigMap, metadata);
    else await client.patch(ConfigMap, metadata, forged, { type: 'merge' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

function secretProblems(secret: Secret, accounts: readonly ServiceAccount[]): string[] {
  const { name, annotations } = secret.metadata;
  const account = accounts.find(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === annotations?.[nameAnnotation],
  );
  if (!account) return [`secret ${name} has outlived its account`];
  const wanted = `${name} ${account.metadata.name} ${account.metadata.uid}`;
  const isWhole = tokenOf(secret) === wanted && annotations?.[uidAnnotation] === account.metadata.uid;
  return isWhole ? [] : [`secret ${name} holds ${tokenOf(secret)}, not ${wanted}`];
}
