import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import { type ElementChange, ElementTable } from '../nftables/element-table.ts';
import { computeStaleEntries, startConntrackCleaner } from './conntrack.ts';

const change = (set: string, key: string, before?: string, after?: string): ElementChange => ({
  set,
  key,
  before,
  after,
});
const service = '10.96.1.1 . udp . 53';

describe('stale entries of UDP', () => {
  const rows: [string, ElementChange, string[]][] = [
    [
      'are those of an endpoint that is gone',
      change('endpoints', `${service} . 0`, '10.244.0.5 . 53', '10.244.0.6 . 53'),
      ['-D -p udp --orig-dst 10.96.1.1 --orig-port-dst 53 --dst-nat 10.244.0.5'],
    ],
    [
      'are those of a node port whose endpoint is gone',
      change('nodeport-endpoints', 'udp . 30053 . 0', '10.244.0.5 . 53'),
      ['-D -p udp --orig-port-dst 30053 --dst-nat 10.244.0.5'],
    ],
    [
      'are those that were made before the service had an endpoint',
      change('services', service, undefined, 'goto pick-address-outside-1'),
      ['-D -p udp --orig-dst 10.96.1.1 --orig-port-dst 53'],
    ],
    [
      'are not those of an endpoint that only has another place',
      change('endpoints', `${service} . 1`, 'kept . 53'),
      [],
    ],
    ['are not those of TCP', change('endpoints', '10.96.1.1 . tcp . 80 . 0', '10.244.0.5 . 80'), []],
  ];
  for (const [name, row, expected] of rows) {
    it(name, () => {
      const filters = computeStaleEntries([row], (_set, _service, endpoint) => endpoint === 'kept . 53');
      assert.deepEqual(
        filters.map((filter) => filter.join(' ')),
        expected,
      );
    });
  }

  it('stay, with one warning, where the program is missing', async () => {
    const warnings: string[] = [];
    let runs = 0;
    const cleaner = startConntrackCleaner({
      run: () => {
        runs++;
        return Promise.reject(new CommandError('conntrack', 'ENOENT', 'not found'));
      },
      logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
    });
    const rolling = [
      change('endpoints', `${service} . 0`, '10.244.0.5 . 53'),
      change('endpoints', `${service} . 1`, '10.244.0.6 . 53'),
    ];
    cleaner.clean(rolling, new ElementTable());
    await cleaner.idle();
    cleaner.clean(rolling, new ElementTable());
    await cleaner.idle();
    assert.equal(runs, 1);
    assert.equal(warnings.length, 1);
  });
});
