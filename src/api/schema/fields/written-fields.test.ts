import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldSet } from './field-set.ts';
import { type WrittenFields, writtenPart } from './written-fields.ts';

const container = (name: string) => `k:{"name":"${name}"}`;
const set = {
  'f:metadata': { 'f:labels': { 'f:a': {} } },
  'f:spec': {
    'f:containers': {
      '.': {},
      [container('a')]: {
        '.': {},
        'f:name': {},
        'f:image': {},
        'f:resources': { 'f:limits': { 'f:cpu': {} } },
      },
      [container('b')]: { '.': {}, 'f:name': {} },
    },
    'f:nodeName': {},
  },
  'f:status': { 'f:phase': {} },
} as FieldSet;

const cases: [what: string, written: WrittenFields, kept: object | undefined][] = [
  ['everything', {}, set],
  [
    'all but a field and what is below it',
    { resetFields: [['spec'], ['status']] },
    { 'f:metadata': { 'f:labels': { 'f:a': {} } } },
  ],
  [
    'what matches a pattern, and the way to it',
    { onlyFields: [['spec', 'containers', '*', 'resources']] },
    {
      'f:spec': {
        'f:containers': {
          '.': {},
          [container('a')]: { '.': {}, 'f:resources': { 'f:limits': { 'f:cpu': {} } } },
          [container('b')]: {},
        },
      },
    },
  ],
  [
    'several patterns',
    { onlyFields: [['spec', 'nodeName'], ['status']] },
    { 'f:spec': { 'f:nodeName': {} }, 'f:status': { 'f:phase': {} } },
  ],
  ['nothing', { onlyFields: [['data']] }, undefined],
];
for (const [what, written, kept] of cases)
  test(`an endpoint may write ${what}`, () => assert.deepEqual(writtenPart(set, written), kept));
