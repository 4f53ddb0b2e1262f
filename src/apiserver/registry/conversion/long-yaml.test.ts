import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml, YamlError } from '../../../api/schema/body/yaml.ts';
import { formatYaml } from '../../../api/schema/body/yaml-writer.ts';
import { yamlOfJson, yamlReader } from './long-yaml.ts';

const long = {
  kind: 'ConfigMap',
  precise: 9_007_199_254_740_993n,
  items: Array.from({ length: 20_000 }, (_, index) => ({ name: `item-${index}`, on: index % 2 === 0 })),
};
const text = formatYaml(long);
const read = async (body: string) => (await yamlReader(Buffer.from(body)))(body);

// First in the file: no thread of another test may be available.
test('long JSON and short YAML start no thread', async () => {
  let threads = 0;
  const count = () => threads++;
  process.on('worker', count);
  try {
    for (const body of [JSON.stringify({ a: 'x'.repeat(100_000) }), 'a: 1'])
      assert.deepEqual((await yamlReader(Buffer.from(body)))(body), parseYaml(body));
    assert.equal(threads, 0);
  } finally {
    process.off('worker', count);
  }
});

/** How often others had their turn meanwhile. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ outcome: T; turns: number }> {
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const outcome = await work();
  isDone = true;
  return { outcome, turns };
}

test('long YAML is read as short YAML is, while others are served', async () => {
  assert.ok(text.length > 500_000);
  const { outcome, turns } = await turnsDuring(() => read(text));
  assert.deepEqual(outcome.value, long);
  assert.deepEqual(outcome.problems, []);
  assert.ok(turns > 5, `${turns} turns`);
});

test('long YAML is written as short YAML is, while others are served', async () => {
  const { outcome, turns } = await turnsDuring(() => yamlOfJson(Buffer.from(JSON.stringify(long))));
  assert.equal(outcome.toString(), text);
  assert.ok(turns > 5, `${turns} turns`);
});

test('errors have the same words, and no request gets the answer of another', async () => {
  const bodies = [`${text}kind: [\n`, `${text}kind: Pod\n`, text, `{a: b,\n${'# more\n'.repeat(20_000)}`];
  const outcomes = await Promise.allSettled(bodies.map(read));
  for (const [index, outcome] of outcomes.entries()) {
    let expected: unknown;
    try {
      expected = parseYaml(bodies[index]!);
    } catch (error) {
      assert.ok(error instanceof YamlError);
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof YamlError);
      assert.equal(outcome.reason.message, error.message);
      continue;
    }
    assert.deepEqual(outcome.status === 'fulfilled' && outcome.value, expected);
  }
});
