import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestContext } from '../../request.ts';
import { configMap, configMaps, createTestServer } from '../../server.fixture.ts';
import { type EncodeContext, encodeList, type ListResponse } from './encode.ts';
import { listPieces } from './list-pieces.ts';
import type { OutputFormat } from './negotiate.ts';
import { indentJson } from './pretty.ts';

async function listOf(count: number, path = configMaps): Promise<ListResponse> {
  const server = await createTestServer();
  for (let index = 0; index < count; index++)
    await server.ask(
      'POST',
      configMaps,
      configMap(`c${index}`, { text: `line "${index}"\n\n  [{,]\n`, a: '' }),
    );
  const request = {
    method: 'GET',
    path,
    search: '',
    query: new URLSearchParams(),
    header: () => undefined,
    headers: () => ({}),
    remoteAddress: '',
    signal: new AbortController().signal,
    localUser: { name: 'admin', groups: ['system:masters'] },
    readBody: () => Promise.resolve(new Uint8Array()),
  } as RequestContext['request'];
  const answer = await server.api.handler.answer(server.api.handler.contextOf(request));
  await server.api.close();
  if (answer.type !== 'list') throw new Error('no list');
  return answer;
}

const formats: [what: string, format: OutputFormat, pretty: boolean][] = [
  ['JSON', { media: 'json' }, false],
  ['indented JSON', { media: 'json' }, true],
  ['YAML', { media: 'yaml' }, false],
  ['protobuf', { media: 'protobuf' }, false],
  ['a table', { media: 'json', as: 'Table', asVersion: 'v1' }, false],
  ['metadata alone', { media: 'json', as: 'PartialObjectMetadataList', asVersion: 'v1' }, true],
  [
    'metadata alone in protobuf',
    { media: 'protobuf', as: 'PartialObjectMetadataList', asVersion: 'v1' },
    false,
  ],
];

test('a list in pieces has the bytes of the whole, in every format and of every length', async () => {
  for (const count of [1, 120]) {
    const list = await listOf(count);
    for (const [what, format, pretty] of formats) {
      const context: EncodeContext = { format, includeObject: 'Metadata', nowMs: 0 };
      const whole = encodeList(list, context);
      const { contentType, pieces } = listPieces(list, context, { pretty });
      const parts: Uint8Array[] = [];
      for await (const piece of pieces) parts.push(piece);
      assert.equal(contentType, whole.contentType, what);
      const expected = pretty ? indentJson(whole.body.toString()) : whole.body.toString('latin1');
      const got = Buffer.concat(parts).toString(pretty ? 'utf8' : 'latin1');
      assert.equal(got, expected, `${what} of ${count}`);
    }
  }
});
