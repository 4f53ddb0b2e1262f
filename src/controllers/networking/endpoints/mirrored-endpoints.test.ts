import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Endpoints, Service } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { planSlices } from './endpointslice-plan.ts';
import { isMirrored, mirror, mirrorIdentity } from './mirrored-endpoints.ts';

const endpoints = (subsets: Endpoints['subsets'], metadata: object = {}) =>
  sparse<Endpoints>({ metadata: { name: 'db', namespace: 'default', uid: 'u', ...metadata }, subsets });
const service = (selector?: Record<string, string>) =>
  sparse<Service>({ metadata: { name: 'db' }, spec: { ...(selector && { selector }) } });
const port = (number: number, name?: string) => ({
  port: number,
  protocol: 'TCP' as const,
  ...(name && { name }),
});
const ip = (...ips: string[]) => ips.map((each) => ({ ip: each }));
const many = (count: number) =>
  ip(...Array.from({ length: count }, (_, at) => `10.1.${at >> 8}.${at & 255}`));

for (const [what, given, of, expected] of [
  ['of a Service without selector', endpoints([]), service(), true],
  ['without a Service', endpoints([]), undefined, false],
  ['of a Service with a selector', endpoints([]), service({ app: 'db' }), false],
  [
    'that refuse',
    endpoints([], { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }),
    service(),
    false,
  ],
  [
    'that are a lock',
    endpoints([], { annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }),
    service(),
    false,
  ],
] as const)
  test(`Endpoints ${what} are ${expected ? '' : 'not '}mirrored`, () => {
    assert.equal(isMirrored(given, of), expected);
  });

/** By family: the numbers of the ports of each group, and its addresses with `!` where they are not ready. */
function shown(subsets: NonNullable<Endpoints['subsets']>) {
  return mirror(endpoints(subsets)).wanted.map(({ addressType, groups }) => [
    addressType,
    ...groups.map(({ ports, endpoints: list }) => [
      ports.map(({ port: number }) => number).join(),
      list.map(({ addresses, conditions }) => `${conditions?.ready ? '' : '!'}${addresses[0]}`).join(),
    ]),
  ]);
}

const rows: [string, NonNullable<Endpoints['subsets']>, unknown[]][] = [
  ['none are nothing', [], []],
  [
    'those that are not ready come last',
    [{ addresses: ip('10.0.0.2'), notReadyAddresses: ip('10.0.0.1'), ports: [port(80)] }],
    [['IPv4', ['80', '10.0.0.2,!10.0.0.1']]],
  ],
  [
    'each family has its own',
    [{ addresses: ip('10.0.0.1', 'fd00::1'), ports: [port(80)] }],
    [
      ['IPv4', ['80', '10.0.0.1']],
      ['IPv6', ['80', 'fd00::1']],
    ],
  ],
  [
    'ports of the same addresses come together',
    [
      { addresses: ip('10.0.0.1'), ports: [port(80, 'a')] },
      { addresses: ip('10.0.0.1'), ports: [port(443, 'b')] },
    ],
    [['IPv4', ['80,443', '10.0.0.1']]],
  ],
  [
    'addresses of the same port come together',
    [
      { addresses: ip('10.0.0.1'), ports: [port(80)] },
      { addresses: ip('10.0.0.2'), ports: [port(80)] },
    ],
    [['IPv4', ['80', '10.0.0.1,10.0.0.2']]],
  ],
  [
    'one that is also said to be not ready is not',
    [
      { addresses: ip('10.0.0.1'), ports: [port(80)] },
      { notReadyAddresses: ip('10.0.0.1'), ports: [port(80)] },
    ],
    [['IPv4', ['80', '!10.0.0.1']]],
  ],
  ['those without ports stay', [{ addresses: ip('10.0.0.1') }], [['IPv4', ['', '10.0.0.1']]]],
];
for (const [what, subsets, expected] of rows)
  test(`of mirrored addresses, ${what}`, () => {
    assert.deepEqual(shown(subsets), expected);
  });

test('of each subset a thousand addresses are mirrored, in one slice', () => {
  const subsets = [
    { addresses: many(1_002), ports: [port(80, 'a')] },
    { addresses: many(1_000), ports: [port(443, 'b')] },
  ];
  const { wanted, skipped } = mirror(endpoints(subsets));
  assert.equal(skipped, 2);
  const { create } = planSlices([], wanted, mirrorIdentity(endpoints(subsets)));
  assert.deepEqual(
    create.map((slice) => slice.endpoints?.length),
    [1_000, 1_000],
  );
});

test('slices carry what else their Endpoints say, and follow when that changes', () => {
  const trigger = 'endpoints.kubernetes.io/last-change-trigger-time';
  const applied = 'kubectl.kubernetes.io/last-applied-configuration';
  const subsets = [{ addresses: ip('10.0.0.1'), ports: [port(80)] }];
  const given = (note: string) =>
    endpoints(subsets, { labels: { tier: 'x' }, annotations: { note, [trigger]: 't', [applied]: '{}' } });
  const planned = (present: EndpointSlice[], note: string) =>
    planSlices(present, mirror(given(note)).wanted, mirrorIdentity(given(note)));
  const [draft] = planned([], 'a').create;
  assert.deepEqual(draft?.metadata.annotations, { note: 'a' });
  assert.deepEqual(
    [draft?.metadata.labels?.tier, draft?.metadata.ownerReferences?.[0]?.kind],
    ['x', 'Endpoints'],
  );
  const slice = { ...draft, metadata: { ...draft?.metadata, name: 'db-1', uid: '1' } } as EndpointSlice;
  assert.deepEqual(planned([slice], 'a').update, []);
  assert.deepEqual(planned([slice], 'b').update[0]?.metadata.annotations, { note: 'b' });
});
