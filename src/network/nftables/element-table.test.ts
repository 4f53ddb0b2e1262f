import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changesText, ElementTable } from './element-table.ts';

const element = (key: string, value = '') => ({ set: 's', key, value });

describe('the table of wanted elements', () => {
  it('gives what changed since the last time, once', () => {
    const table = new ElementTable();
    table.replace('a', [element('1', 'x'), element('2', 'x')]);
    table.takeChanges();
    table.replace('a', [element('1', 'y'), element('3', 'x')]);
    assert.deepEqual(table.takeChanges(), [
      { set: 's', key: '2', before: 'x', after: undefined },
      { set: 's', key: '1', before: 'x', after: 'y' },
      { set: 's', key: '3', before: undefined, after: 'x' },
    ]);
    assert.deepEqual(table.takeChanges(), []);
  });

  it('gives nothing for what changed and changed back', () => {
    const table = new ElementTable();
    table.replace('a', [element('1', 'x')]);
    table.takeChanges();
    table.replace('a', []);
    table.replace('a', [element('1', 'x')]);
    assert.deepEqual(table.takeChanges(), []);
  });

  it('leaves an element to its first owner, and to the next when that one lets go', () => {
    const table = new ElementTable();
    assert.deepEqual(table.replace('a', [element('1', 'x')]), { lost: [] });
    assert.deepEqual(table.replace('b', [element('1', 'y')]), { lost: [element('1', 'y')] });
    table.takeChanges();
    table.replace('a', []);
    assert.deepEqual(table.takeChanges(), [{ set: 's', key: '1', before: 'x', after: 'y' }]);
  });

  it('leads from whatever the kernel has to what is wanted', () => {
    const table = new ElementTable();
    table.replace('a', [element('same', 'x'), element('other', 'x'), element('new')]);
    table.restart(
      new Map([
        [
          's',
          new Map([
            ['same', 'x'],
            ['other', 'y'],
            ['stale', 'z'],
          ]),
        ],
      ]),
    );
    assert.equal(
      changesText('t', table.takeChanges()),
      'delete element ip t s { other, stale }\nadd element ip t s { other : x, new }\n',
    );
  });
});
