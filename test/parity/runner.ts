/** Replays recorded cases against a server over real HTTP and reports where the answers differ. */
import type { ParityCase, ParityStep } from './cases.ts';
import { fillIn } from './cases.ts';
import { type Difference, differences, statusMatches } from './compare.ts';
import type { RawAnswer, RawClient, RawRequest } from './https-client.ts';

export interface CaseResult {
  id: string;
  area: string;
  problems: string[];
}

/** How long an `until` may take, in all. */
const untilTimeoutMs = 5_000;
const untilPauseMs = 20;
/** A watch that recorded events must bring them within this time. */
const watchTimeoutMs = 3_000;

export async function runCase(
  client: RawClient,
  testCase: ParityCase,
  namespace: string,
): Promise<CaseResult> {
  const problems: string[] = [];
  const run: CaseRun = { client, testCase, namespace, answers: [], statuses: [] };
  await prepareNamespace(client, namespace);
  for (const step of testCase.given) await runNoted(run, step);
  try {
    problems.push(...(await runRequest(run)));
  } finally {
    for (const step of testCase.cleanup ?? []) await runStep(client, fillIn(step, namespace, run.answers));
    if (testCase.serial) await removeCreated(client, testCase, namespace);
  }
  return { id: testCase.id, area: testCase.area, problems };
}

/** A case on its way. */
interface CaseRun {
  readonly client: RawClient;
  readonly testCase: ParityCase;
  readonly namespace: string;
  /** What steps were answered: later ones may refer to it. */
  readonly answers: unknown[];
  readonly statuses: number[];
}

/** Runs a step whose answer later steps may refer to. */
async function runNoted({ client, namespace, answers, statuses }: CaseRun, step: ParityStep): Promise<void> {
  const answer = await runStep(client, fillIn(step, namespace, answers));
  statuses.push(answer.status);
  answers.push(parse(answer));
}

async function prepareNamespace(client: RawClient, name: string): Promise<void> {
  const json = { 'content-type': 'application/json' };
  await client.send({
    method: 'POST',
    path: '/api/v1/namespaces',
    headers: json,
    body: JSON.stringify({ metadata: { name } }),
  });
  const account = JSON.stringify({ metadata: { name: 'default' } });
  await client.send({
    method: 'POST',
    path: `/api/v1/namespaces/${name}/serviceaccounts`,
    headers: json,
    body: account,
  });
}

/** What a serial case made outside of its namespace would change the answers of the next ones. */
async function removeCreated(client: RawClient, testCase: ParityCase, namespace: string): Promise<void> {
  for (const step of [...testCase.given, testCase.request]) {
    const { method, path, body } = fillIn({ ...step }, namespace, []);
    const name = (body as { metadata?: { name?: string } } | undefined)?.metadata?.name;
    if (method !== 'POST' || !name || path.includes('/namespaces/')) continue;
    await client.send({ method: 'DELETE', path: `${path.split('?', 1)[0]}/${name}` });
  }
}

async function runRequest(run: CaseRun): Promise<string[]> {
  const { client, testCase, namespace, answers, statuses } = run;
  const { during, ...step } = testCase.request;
  const request = fillIn(step, namespace, answers);
  const expect = fillIn(testCase.expect, namespace, []);
  const answer =
    during || expect.events
      ? await runWatch(client, request, expect.events?.length ?? 0, async () => {
          for (const inner of during ?? []) await runNoted(run, inner);
        })
      : await runStep(client, request);
  return compareAnswer(testCase, fillIn(expect, namespace, answers), answer, statuses);
}

async function runStep(client: RawClient, step: ParityStep): Promise<RawAnswer> {
  if (step.pause) await pause(step.pause);
  const deadline = Date.now() + untilTimeoutMs;
  for (;;) {
    const answer = await client.send({ ...requestOf(step), body: bodyOf(step) });
    if (step.until === undefined || Date.now() > deadline || isReached(step.until, answer)) {
      if (step.settle) await runStep(client, step.settle);
      return answer;
    }
    await pause(untilPauseMs);
  }
}

function requestOf(step: ParityStep): RawRequest {
  return { method: step.method, path: step.path, headers: headersOf(step) };
}

function headersOf(step: ParityStep): Record<string, string> {
  const isApply = step.headers?.['content-type'] !== undefined;
  return {
    ...(step.body !== undefined && !isApply && { 'content-type': 'application/json' }),
    ...step.headers,
  };
}

function bodyOf({ body }: ParityStep): string | undefined {
  return body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
}

function isReached(until: NonNullable<ParityStep['until']>, answer: RawAnswer): boolean {
  if (typeof until === 'number') return answer.status === until;
  if (typeof until === 'string') return answer.text.includes(until);
  return (
    differences(until, parse(answer)).length === 0 || answer.text.includes(JSON.stringify(until).slice(1, -1))
  );
}

async function runWatch(
  client: RawClient,
  step: ParityStep,
  count: number,
  during: () => Promise<void>,
): Promise<RawAnswer> {
  const stop = new AbortController();
  const running = client.send(requestOf(step), stop.signal);
  await pause(100);
  await during();
  const timer = setTimeout(() => stop.abort(), count > 0 ? watchTimeoutMs : 500);
  try {
    return await running;
  } catch (error) {
    return { status: 0, headers: {}, text: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

function compareAnswer(
  testCase: ParityCase,
  expect: ParityCase['expect'],
  answer: RawAnswer,
  statuses: readonly number[],
): string[] {
  const problems: string[] = [];
  for (const [index, status] of (expect.given ?? []).entries())
    if (!statusMatches(status, statuses[index] ?? 0))
      problems.push(`given[${index}]: status ${statuses[index]}, expected ${status}`);
  if (!statusMatches(expect.status, answer.status))
    problems.push(`status ${answer.status}, expected ${expect.status}: ${answer.text.slice(0, 300)}`);
  if (problems.length > 0) return problems;
  // A server error is reported differently from a client error.
  if (expect.status === 500 && answer.status !== 500) return problems;
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const actual = String(answer.headers[name] ?? '');
    if (!headerMatches(name, value, actual)) problems.push(`header ${name}: ${actual}, expected ${value}`);
  }
  if (
    expect.text !== undefined &&
    expect.text !== answer.text &&
    differences(expect.text, answer.text).length > 0
  )
    problems.push(
      `text ${JSON.stringify(answer.text.slice(0, 300))}, expected ${JSON.stringify(expect.text.slice(0, 300))}`,
    );
  if (expect.body !== undefined) {
    let body = parse(answer);
    if (testCase.keysOnly)
      body = Object.fromEntries(
        Object.keys(body as object).map((key) => [key, (expect.body as Record<string, unknown>)[key]]),
      );
    problems.push(...differences(expect.body, body).map(describe));
  }
  if (expect.events) problems.push(...compareEvents(expect.events, answer.text));
  return problems;
}

function headerMatches(name: string, expected: string, actual: string): boolean {
  if (name === 'content-type') return actual.split(';')[0] === expected.split(';')[0];
  if (name === 'warning') return actual !== '';
  return differences(expected, actual).length === 0;
}

function compareEvents(expected: readonly { type: string; object?: unknown }[], text: string): string[] {
  const events = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { type: string; object: unknown });
  const types = events.map(({ type }) => type).join(' ');
  const wanted = expected.map(({ type }) => type).join(' ');
  if (types !== wanted) return [`events ${types || 'none'}, expected ${wanted}`];
  return expected.flatMap((event, index) => differences(event, events[index]).map(describe));
}

function describe({ path, expected, actual }: Difference): string {
  return `${path}: ${short(actual)}, expected ${short(expected)}`;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

function parse(answer: RawAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    return answer.text;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
