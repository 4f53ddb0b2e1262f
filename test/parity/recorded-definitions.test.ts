/**
 * What a real API server of Kubernetes 1.36 said of CustomResourceDefinitions: every error in its words, with its field and
 * reason, and its warnings. Rules in CEL are most of them: what cannot be read, and what does not fit its schema.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { customResourceDefinitionKind } from '../../src/api/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../src/api/types/apiextensions-v1.gen.ts';

interface Recorded {
  id: string;
  body: CustomResourceDefinition;
  errors: string[];
  warnings?: string[];
}

function loadRecorded(): Recorded[] {
  const file = new URL('data/definitions-1.36.jsonl.gz', import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Recorded);
}

test('definitions are judged in the very words of 1.36', () => {
  const { defaults, prepareCreate, validate, warnings } = customResourceDefinitionKind;
  const all = loadRecorded();
  assert.ok(all.length > 400, 'the recorded answers are there');
  for (const { id, body, errors, warnings: expected = [] } of all) {
    const definition = structuredClone(body);
    defaults!(definition);
    prepareCreate!(definition);
    const found = [...validate(definition, { subresource: '' })];
    assert.deepEqual(
      found.map(({ field, detail, type }) => `${field}: ${detail} (${type})`),
      errors,
      id,
    );
    if (errors.length === 0) assert.deepEqual([...warnings!(definition, undefined)], expected, id);
  }
});
