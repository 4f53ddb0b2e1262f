import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApiV3Of } from './v2-to-v3.ts';

test('a document without paths and definitions has nothing but its head', () => {
  const info = { title: 'Kubernetes', version: 'unversioned' };
  assert.deepEqual(openApiV3Of({ swagger: '2.0', info }), { openapi: '3.0.0', info, components: {} });
});

test('schemas refer to where schemas are, and stand beside nothing that would be overlooked', () => {
  const ref = { $ref: '#/definitions/B' };
  const { components } = openApiV3Of({
    definitions: {
      A: {
        type: 'object',
        properties: { plain: ref, told: { ...ref, description: 'd', default: {} } },
        additionalProperties: ref,
        'x-a': 1,
      },
      B: { type: 'array', items: ref },
      C: { additionalProperties: true, items: [ref] },
    },
  });
  const moved = { $ref: '#/components/schemas/B' };
  assert.deepEqual(components, {
    schemas: {
      A: {
        type: 'object',
        properties: { plain: moved, told: { description: 'd', default: {}, allOf: [moved] } },
        additionalProperties: moved,
        'x-a': 1,
      },
      B: { type: 'array', items: moved },
      C: { additionalProperties: true, items: [moved] },
    },
  });
});

test('operations have the body and the answers for each media type, and their own parameters', () => {
  const { paths } = openApiV3Of({
    parameters: { pretty: { name: 'pretty', in: 'query', type: 'string', uniqueItems: true } },
    paths: {
      '/x': {
        post: {
          operationId: 'post',
          description: 'd',
          tags: ['t'],
          consumes: ['*/*'],
          produces: ['a/b', 'c/d'],
          parameters: [
            { name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/A' } },
            { $ref: '#/parameters/pretty' },
          ],
          responses: {
            200: { description: 'OK', schema: { type: 'string' } },
            401: { description: 'Unauthorized' },
          },
          'x-kubernetes-action': 'post',
        },
        parameters: [{ name: 'name', in: 'path', required: true, type: 'string', description: 'n' }],
      },
    },
  });
  const text = { schema: { type: 'string' } };
  assert.deepEqual(paths, {
    '/x': {
      post: {
        operationId: 'post',
        description: 'd',
        tags: ['t'],
        parameters: [{ name: 'pretty', in: 'query', schema: { type: 'string', uniqueItems: true } }],
        requestBody: { content: { '*/*': { schema: { $ref: '#/components/schemas/A' } } } },
        responses: {
          200: { description: 'OK', content: { 'a/b': text, 'c/d': text } },
          401: { description: 'Unauthorized' },
        },
        'x-kubernetes-action': 'post',
      },
      parameters: [
        { name: 'name', in: 'path', required: true, description: 'n', schema: { type: 'string' } },
      ],
    },
  });
});
