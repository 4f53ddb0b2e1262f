import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../../server.fixture.ts';

test('what is asked of a log must be numbers that make sense', async () => {
  await using server = await createTestServer();
  const number = (text: string, why = 'invalid syntax') => `strconv.ParseInt: parsing "${text}": ${why}`;
  const invalid = (why: string) => `PodLogOptions "p" is invalid: ${why}`;
  for (const [query, code, message] of [
    ['tailLines=', 400, number('')],
    ['limitBytes=x', 400, number('x')],
    ['sinceSeconds=9223372036854775808', 400, number('9223372036854775808', 'value out of range')],
    ['tailLines=-1', 422, invalid('tailLines: Invalid value: -1: must be greater than or equal to 0')],
    ['limitBytes=0', 422, invalid('limitBytes: Invalid value: 0: must be greater than 0')],
    ['tailLines=1&limitBytes=1&sinceSeconds=1', 404, 'pods "p" not found'],
  ] as const) {
    const { status, object } = await server.ask('GET', `/api/v1/namespaces/default/pods/p/log?${query}`);
    assert.deepEqual([status, object.message], [code, message], query);
  }
});
