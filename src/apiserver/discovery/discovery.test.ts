import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../api/schema/body/yaml.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import { createTestServer } from '../server.fixture.ts';
import { Discovery } from './discovery.ts';
import { type DiscoveredGroup, withOtherGroups } from './groups.ts';

type Raw = Extract<ApiResponse, { type: 'raw' }>;

/** What `/apis` answers, before anything is written. */
async function groupsIn(accept: string, headers: Record<string, string> = {}): Promise<ApiResponse> {
  await using server = await createTestServer();
  const handlers = new Map<string, (context: RequestContext) => ApiResponse>();
  new Discovery({
    kinds: server.api.registry.kinds,
    subresources: { of: () => [] } as never,
    serverAddress: () => '127.0.0.1:6443',
  }).register({
    addPath: (path: string, handler: never) => handlers.set(path, handler),
    addPrefix: () => undefined,
    addRoute: () => undefined,
  } as never);
  const all: Record<string, string> = { accept, ...headers };
  const request = { query: new URLSearchParams(), header: (name: string) => all[name] };
  return handlers.get('/apis')!({ request } as never);
}

const form = (media: string, version = 'v2') =>
  `${media};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

test('aggregated discovery comes in JSON, YAML and protobuf, each under its own type', async () => {
  const json = (await groupsIn(form('application/json'))) as Raw;
  const yaml = (await groupsIn(form('application/yaml'))) as Raw;
  const protobuf = (await groupsIn(form('application/vnd.kubernetes.protobuf'))) as Raw;
  assert.deepEqual(
    [json, yaml, protobuf].map(({ contentType }) => contentType),
    [form('application/json'), form('application/yaml'), form('application/vnd.kubernetes.protobuf')],
  );
  assert.deepEqual(parseYaml(String(yaml.body)).value, JSON.parse(String(json.body)));
  const message = Buffer.from(protobuf.body as Uint8Array).toString('latin1');
  assert.ok(message.startsWith('k8s\0') && message.includes('apidiscovery.k8s.io/v2'));
  assert.ok(message.includes('deployments'));
  assert.equal(json.headers?.etag, yaml.headers?.etag);
});

test('aggregated discovery is preferred wherever the client names it', async () => {
  assert.equal((await groupsIn(`application/json, ${form('application/json')}`)).type, 'raw');
  assert.equal((await groupsIn(`${form('application/json', 'v3')}, application/json`)).type, 'plain');
  assert.equal((await groupsIn('application/json')).type, 'plain');
});

test('a client that already has the list gets 304', async () => {
  const { headers } = (await groupsIn(form('application/json'))) as Raw;
  const again = (await groupsIn(form('application/json'), { 'if-none-match': headers!.etag! })) as Raw;
  assert.equal(again.status, 304);
});

test('the root lists every path, that of all groups twice', async () => {
  await using server = await createTestServer();
  const { paths } = (await server.ask('GET', '/')).object;
  const all = ['/api', '/api/v1', '/apis', '/apis/', '/apis/apps', '/apis/apps/v1', '/healthz', '/version'];
  assert.deepEqual(
    paths.filter((path: string) => all.includes(path)),
    all,
  );
  assert.deepEqual(paths, [...new Set(paths)].sort());
});

test('groups of other servers stand among those of this one by their priorities', () => {
  const own = ['', 'apiregistration.k8s.io', 'apps', 'storagemigration.k8s.io', 'b.io', 'd.io', 'extensions'];
  const groups: DiscoveredGroup[] = own.map((group) => ({ group, versions: [] }));
  const others = [
    ['first.io', 20_000],
    ['middle.io', 17_000],
    ['above.io', 2_000],
    ['c.io', 1_000],
    ['e.io', 1_000],
    ['metrics.k8s.io', 100],
  ] as const;
  const all = withOtherGroups(
    groups,
    others.map(([group, priority]) => ({ group, priority, versions: [] })),
  );
  assert.deepEqual(
    all.map(({ group }) => group),
    [
      '',
      'apiregistration.k8s.io',
      'first.io',
      'apps',
      'middle.io',
      'storagemigration.k8s.io',
      'above.io',
      'b.io',
      'c.io',
      'd.io',
      'e.io',
      'metrics.k8s.io',
      'extensions',
    ],
  );
});

test('a version that another server answers for takes the place of this server’s own, once', () => {
  const version = (name: string, priority?: number) => ({
    version: name,
    resources: [],
    ...(priority !== undefined && { priority }),
  });
  const own: DiscoveredGroup[] = [
    { group: 'apps', versions: [version('v1')] },
    { group: 'a.io', versions: [version('v2'), version('v1')] },
    { group: 'b.io', versions: [version('v1')] },
  ];
  const others = [
    { group: 'b.io', priority: 2_000, versions: [version('v1', 300), version('v3', 50)] },
    { group: 'apps', priority: 5, versions: [version('v9', 15)] },
  ];
  const all = withOtherGroups(own, others);
  assert.deepEqual(
    all.map(({ group, versions }) => [group, versions.map(({ version, priority }) => [version, priority])]),
    [
      [
        'apps',
        [
          ['v9', 15],
          ['v1', undefined],
        ],
      ],
      [
        'b.io',
        [
          ['v1', 300],
          ['v3', 50],
        ],
      ],
      [
        'a.io',
        [
          ['v2', undefined],
          ['v1', undefined],
        ],
      ],
    ],
  );
  assert.deepEqual(
    own[2]?.versions.map(({ version }) => version),
    ['v1'],
    'what was given stays as it was',
  );
});
