/** Plays a scenario on a cluster, simulated or real, and compares. Other parts bring their own {@link World}. */
import type { KubeObject } from '../../../src/api/meta.ts';
import { apiVersionOf } from '../../../src/api/meta.ts';
import { Namespace, ServiceAccount } from '../../../src/api/resources.gen.ts';
import { StatusError } from '../../../src/api/status.ts';
import type { Client } from '../../../src/client/client.ts';
import { canonicalMessage, firstMissing, includes } from './compare.ts';
import { Normalizer, transitionsOf } from './normalize.ts';
import { Observer, resourcesOf, valueAt } from './observer.ts';
import { presentVersion, resourceOf, resourceOfKind } from './resources.ts';
import type { ExpectedEvent, Json, JsonObject, Scenario, Step } from './scenario.ts';

/** Where scenarios are played. */
export interface World {
  client: Client;
  /** Names of the two nodes. */
  nodes: readonly [string, string];
  /** Resolves when the condition holds; rejects after this time. */
  waitUntil(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void>;
  pause(ms: number): Promise<void>;
}

/** What a comparison leaves out: kinds of objects, by plural or Kind, that the world cannot show as recorded. */
export interface Leniency {
  /** E.g. `pods`: neither their transitions nor events on them nor their final state are compared. */
  skip?: ReadonlySet<string>;
  /** Recorded states that need not be seen here: they lasted only as long as something took there. */
  isFleeting?(stateOrEvent: object): boolean;
}

/** How long the world is watched after the last step, for what should not come. */
const TOO_MUCH_WOULD_SHOW_MS = 1_500;
/** How long what should come may take after that: a busy machine starts a container late. */
const TOO_LITTLE_IS_WAITED_FOR_MS = 15_000;

export async function playScenario(
  world: World,
  scenario: Scenario,
  namespace: string,
  leniency: Leniency = {},
): Promise<string[]> {
  const stop = new AbortController();
  const run = new ScenarioRun(world, scenario, namespace, stop.signal);
  try {
    await run.play();
    return await run.settle(leniency);
  } finally {
    stop.abort(new Error('the scenario is over'));
    await run.cleanUp();
  }
}

class ScenarioRun {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #namespace: string;
  readonly #observer: Observer;
  readonly #answers: { status: number; reason?: string; message?: string; details?: unknown }[] = [];

  constructor(world: World, scenario: Scenario, namespace: string, signal: AbortSignal) {
    this.#world = world;
    this.#scenario = scenario;
    this.#namespace = namespace;
    this.#observer = new Observer(world.client, namespace, signal);
  }

  async play(): Promise<void> {
    const { client } = this.#world;
    const { objects, steps, watch } = this.#scenario;
    await client.create(Namespace, { metadata: { name: this.#namespace }, spec: {}, status: {} });
    const account = { namespace: this.#namespace, name: 'default' };
    await this.#world.waitUntil(
      () =>
        client.get(ServiceAccount, account).then(
          () => true,
          () => false,
        ),
      30_000,
    );
    const resources = new Set(['events', ...watch, ...steps.flatMap((step) => resourcesOf(step.until))]);
    for (const resource of resources) await this.#observer.watch(resource);
    for (const object of objects) await this.#create(object);
    for (const [index, step] of steps.entries()) await this.#take(step, index);
  }

  /**
   * Events and the last statuses are written a moment after what they tell of: the comparison is made once nothing more
   * than was recorded could have come at once, and again until it agrees or the time for it is over.
   */
  async settle(leniency: Leniency): Promise<string[]> {
    await this.#world.pause(TOO_MUCH_WOULD_SHOW_MS);
    let problems: string[] = [];
    const agrees = () => {
      problems = this.compare(leniency);
      return problems.length === 0;
    };
    if (!agrees()) await this.#world.waitUntil(agrees, TOO_LITTLE_IS_WAITED_FOR_MS).catch(() => problems);
    return problems;
  }

  async cleanUp(): Promise<void> {
    for (const step of this.#scenario.cleanup ?? []) await this.#act(step).catch(ignoreRefusal);
    await this.#world.client.delete(Namespace, { name: this.#namespace }).catch(ignoreRefusal);
  }

  async #take(step: Step, index: number): Promise<void> {
    if (step.pause) await this.#world.pause(step.pause);
    const answer = await this.#answerOf(step);
    if (step.answer) this.#answers.push(answer);
    else if (answer.status >= 400) throw new Error(`step ${index}: ${answer.status} ${answer.message}`);
    const until = this.#fill(step.until) as Step['until'];
    await this.#world
      .waitUntil(() => this.#observer.holds(until), (step.timeout ?? 60) * 1000)
      .catch((error) => {
        const last = JSON.stringify(this.#observer.last());
        throw new Error(`step ${index}: ${JSON.stringify(until)} did not come about, but ${last}`, {
          cause: error,
        });
      });
  }

  async #answerOf(
    step: Step,
  ): Promise<{ status: number; reason?: string; message?: string; details?: unknown }> {
    try {
      await this.#act(step);
      return { status: step.do === 'post' || step.do === 'create' ? 201 : 200 };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const { reason, message, details } = error.status;
      return { status: error.code, reason, message, details };
    }
  }

  async #act(step: Step): Promise<void> {
    const { client } = this.#world;
    if (step.do === undefined || step.do === 'wait') return;
    if (step.do === 'create') return await this.#create(step.object!);
    const [plural = '', name = '', subresource] = (this.#fill(step.of!) as string).split('/');
    const type = resourceOf(plural);
    const at = { name, ...(type.namespaced && { namespace: this.#namespace }) };
    if (step.do === 'patch') {
      const kind = step.type === 'merge' ? 'merge' : step.type === 'json' ? 'json' : 'strategic';
      await client.patch(type, at, this.#fill(step.body!), {
        type: kind,
        ...(subresource && { subresource }),
      });
    } else if (step.do === 'delete') {
      await client.delete(type, at, (step.options ?? {}) as object);
    } else {
      const body = this.#versioned(this.#fill(step.body!) as KubeObject);
      await client.createSubresource(type, at, body, { subresource: subresource ?? '' });
    }
  }

  async #create(object: KubeObject): Promise<void> {
    const filled = this.#versioned(this.#fill(object as unknown as Json) as unknown as KubeObject);
    const type = resourceOfKind(filled.kind!);
    const metadata = { ...filled.metadata, ...(type.namespaced && { namespace: this.#namespace }) };
    const [group, version] = (filled.apiVersion ?? '').includes('/')
      ? filled.apiVersion!.split('/')
      : ['', filled.apiVersion];
    await this.#world.client.create({ ...type, group: group!, version: version! }, { ...filled, metadata });
  }

  #versioned(object: KubeObject): KubeObject {
    return object.apiVersion ? { ...object, apiVersion: presentVersion(object.apiVersion) } : object;
  }

  /** Puts real values where the scenario has placeholders. */
  #fill(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#fill(item));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [this.#fill(key) as string, this.#fill(item)]),
      );
    if (typeof value !== 'string') return value;
    const pods = () =>
      [...this.#observer.lives.values()].filter((life) => life.resource === 'pods' && !life.isGone);
    return value
      .replaceAll('<ns>', this.#namespace)
      .replaceAll('<node1>', this.#world.nodes[0])
      .replaceAll('<node2>', this.#world.nodes[1])
      .replace(/<pods:(\d+)>/g, (_, index) => pods()[Number(index)]?.states[0]?.metadata.name ?? '')
      .replace(/<uid:([^>]+)>/g, (_, reference) =>
        String(valueAt(this.#observer.live(reference), 'metadata.uid')),
      );
  }

  compare({ skip = new Set(), isFleeting = () => false }: Leniency): string[] {
    const normalizer = new Normalizer(this.#namespace, this.#world.nodes, this.#observer.lives.values());
    const { transitions = {}, events = {}, final = {}, answers = [] } = this.#scenario.expect;
    const problems: string[] = [];
    for (const [key, groups] of Object.entries(transitions))
      if (!skip.has(key.split('/')[0]!))
        problems.push(...this.#compareTransitions(normalizer, key, groups, isFleeting));
    for (const [key, groups] of Object.entries(events))
      if (!skip.has(key.split('/')[0]!))
        problems.push(...this.#compareEvents(normalizer, key, groups, isFleeting));
    for (const [key, groups] of Object.entries(final))
      if (!skip.has(key.split('/')[0]!)) problems.push(...this.#compareFinal(normalizer, key, groups));
    for (const [index, answer] of answers.entries())
      if (!includes(normalizer.value(this.#answers[index]) as Json, answer as Json))
        problems.push(
          `answer ${index}: ${JSON.stringify(this.#answers[index])} is not ${JSON.stringify(answer)}`,
        );
    return problems;
  }

  #compareTransitions(
    normalizer: Normalizer,
    key: string,
    groups: { n: number; states: JsonObject[]; racy?: boolean }[],
    isFleeting: (state: object) => boolean,
  ): string[] {
    const lives = [...this.#observer.lives.values()]
      .filter((life) => `${life.resource}/${normalizer.text(life.states[0]!.metadata.name)}` === key)
      .map((life) => transitionsOf(life, normalizer));
    const wanted = groups.flatMap((group) => Array.from({ length: group.n }, () => group));
    const problems: string[] = [];
    if (lives.length < wanted.length)
      problems.push(`${key}: ${lives.length} objects instead of ${wanted.length}`);
    for (const group of groups) {
      const missing = lives.map((seen) => firstMissing(seen, group.states, isFleeting));
      const best = missing.indexOf(undefined);
      if (best < 0 && lives.length > 0)
        problems.push(
          `${key}: no object had the state ${JSON.stringify(missing[0])} in its turn; seen: ${lives[0]!.map((state) => `\n      ${JSON.stringify(state)}`).join('')}`,
        );
    }
    return problems;
  }

  #compareEvents(
    normalizer: Normalizer,
    key: string,
    recorded: { n: number; list: ExpectedEvent[]; unordered?: boolean; racy?: boolean }[],
    isFleeting: (event: object) => boolean,
  ): string[] {
    const groups = recorded
      .map((group) => ({ ...group, list: group.list.filter((event) => !isFleeting(event)) }))
      .filter((group) => group.list.length > 0);
    const perObject = new Map<string, SeenEvent[]>();
    for (const event of this.#observer.events()) {
      const { kind, name, uid, fieldPath = '' } = event.involvedObject;
      if (`${kind}/${normalizer.text(name ?? '')}` !== key) continue;
      const list = perObject.get(uid ?? '') ?? [];
      perObject.set(uid ?? '', list);
      const message = canonicalMessage(normalizer.text(event.message ?? ''));
      const same = list.find(
        (one) => one.reason === event.reason && one.message === message && one.fieldPath === fieldPath,
      );
      if (same) same.count += event.count ?? 1;
      else
        list.push({
          type: event.type ?? '',
          reason: event.reason ?? '',
          message,
          component: event.source?.component ?? '',
          fieldPath,
          count: event.count ?? 1,
        });
    }
    const problems: string[] = [];
    for (const group of groups) {
      const differences = [...perObject.values()].map((list) => firstDifference(list, group));
      if (differences.length === 0) problems.push(`${key}: no events`);
      else if (!differences.includes(undefined))
        problems.push(`${key}: ${differences[0]}; seen: ${JSON.stringify([...perObject.values()][0])}`);
    }
    return problems;
  }

  #compareFinal(normalizer: Normalizer, key: string, groups: { n: number; object: JsonObject }[]): string[] {
    const resource = key.split('/')[0]!;
    const live = [...this.#observer.lives.values()]
      .filter((life) => !life.isGone && life.resource === resource)
      .map((life) => life.states.at(-1)!)
      .filter((object) => `${resource}/${normalizer.text(object.metadata.name)}` === key)
      .map(
        (object) =>
          normalizer.value({
            apiVersion: apiVersionOf(resourceOf(resource)),
            kind: resourceOf(resource).kind,
            ...object,
          }) as JsonObject,
      );
    const problems: string[] = [];
    for (const { object } of groups) {
      const expected = { ...object, apiVersion: presentVersion(object.apiVersion as string) };
      if (live.some((one) => includes(one, expected))) continue;
      const difference = live[0] ? findDifference(live[0], expected, '') : 'is not there';
      problems.push(`final ${key}: ${difference}`);
    }
    return problems;
  }
}

interface SeenEvent {
  type: string;
  reason: string;
  message: string;
  component: string;
  fieldPath: string;
  count: number;
}

function firstDifference(
  seen: readonly SeenEvent[],
  { list, unordered, racy }: { list: ExpectedEvent[]; unordered?: boolean; racy?: boolean },
): string | undefined {
  let at = 0;
  for (const event of list) {
    const message = canonicalMessage(event.message);
    const index = seen.findIndex(
      (one, place) =>
        (unordered || racy || place >= at) &&
        one.type === event.type &&
        one.reason === event.reason &&
        one.message === message &&
        (event.component === undefined || one.component === event.component) &&
        (event.fieldPath === undefined || one.fieldPath === event.fieldPath),
    );
    if (index < 0) return `no event ${event.reason} "${message}" in its turn`;
    const { count } = seen[index]!;
    if (event.atLeast ? count < 1 : !racy && count !== event.count)
      return `${event.reason} came ${count} times instead of ${event.count}`;
    at = index;
  }
  return undefined;
}

/** The first place where `expected` is not in `actual`. */
function findDifference(actual: Json | undefined, expected: Json, path: string): string {
  if (typeof expected === 'object' && expected !== null && typeof actual === 'object' && actual !== null) {
    for (const [key, value] of Object.entries(expected)) {
      const inner = Array.isArray(actual) ? actual[Number(key)] : actual[key];
      if (!includes(inner, value)) return findDifference(inner, value, `${path}.${key}`);
    }
  }
  return `${path || '.'} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`;
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StatusError)) throw error;
}
