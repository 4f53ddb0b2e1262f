import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../status.ts';
import { applyPatch, parsePatch } from '../patch/patch.ts';
import { decodeParsed, parseBody } from './body.ts';
import { oddNumbersIn } from './number-literals.ts';

const schema = 'io.k8s.api.apps.v1.Deployment';
const expected = { group: 'apps', version: 'v1', kind: 'Deployment' };

function decoded(spec: string, format: 'json' | 'yaml' = 'json') {
  const bytes = Buffer.from(`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": ${spec}}`);
  // biome-ignore lint/suspicious/noExplicitAny: looks into it
  return decodeParsed<any>(parseBody(bytes, format, 'Deployment'), schema, expected, 'Ignore').object;
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('numbers that Go writes otherwise are found where they stand', () => {
  assert.deepEqual(
    [...oddNumbersIn('{"a": [1, 2.0, {"b/c": 1e3}], "d": 1.5, "e": ", 7.0", "f": 1e400, "g": 12}')!],
    [
      ['["f"]', '1e400'],
      ['["a",1]', '2.0'],
      ['["a",2,"b/c"]', '1e3'],
    ],
  );
  assert.equal(oddNumbersIn('{"a": 9223372036854775807, "b": 0.25, "c": -1}'), undefined);
});

test('an integer has neither a fraction nor an exponent, whatever its value', () => {
  const words = 'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number';
  const field = 'into Go struct field DeploymentSpec.spec.replicas of type int32';
  for (const literal of ['1.0', '1e0', '0.0', '1e400', '12345678901234567890123'])
    assert.equal(
      refusal(() => decoded(`{"replicas": ${literal}}`)),
      `${words} ${literal} ${field}`,
    );
  assert.match(
    refusal(() => decoded('{"strategy": {"rollingUpdate": {"maxSurge": 1.0}}}')),
    /number 1.0 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32$/,
  );
  assert.equal(decoded('{"replicas": 1.0}', 'yaml').spec.replicas, 1);
});

test('a quantity keeps the exponent that it is written with', () => {
  const requests = '{"cpu": 1e3, "memory": 12345678901234567890123, "a/b": 2.50}';
  const containers = `[{"name": "c", "resources": {"requests": ${requests}}}]`;
  const [container] = decoded(`{"template": {"spec": {"containers": ${containers}}}}`).spec.template.spec
    .containers;
  assert.deepEqual(container.resources.requests, {
    cpu: '1e3',
    memory: '12345678901234567890123',
    'a/b': '2500m',
  });
});

test('numbers of patches are read alike', () => {
  const current = { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 1 } };
  const patched = (text: string, format: 'json' | 'merge') =>
    applyPatch(current, parsePatch(Buffer.from(text), format), { schema, expected, validation: 'Ignore' });
  const words =
    /cannot unmarshal number 2.0 into Go struct field DeploymentSpec.spec.replicas of type int32$/;
  assert.match(
    refusal(() => patched('{"spec": {"replicas": 2.0}}', 'merge')),
    words,
  );
  assert.match(
    refusal(() => patched('[{"op": "replace", "path": "/spec/replicas", "value": 2.0}]', 'json')),
    words,
  );
  const test = (value: string) => `[{"op": "test", "path": "/spec/replicas", "value": ${value}}]`;
  assert.ok(patched(test('1'), 'json'));
  assert.match(
    refusal(() => patched(test('1.0'), 'json')),
    /due to an error in our request/,
  );
  assert.equal(
    refusal(() => patched('{"spec": {"replicas": 1e400}}', 'merge')),
    'error decoding patch: json: cannot unmarshal number 1e400 into Go value of type float64',
  );
});
