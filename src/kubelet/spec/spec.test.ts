import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { testPod } from '../pod.fixture.ts';
import {
  boundedResources,
  cpuSharesOfWeight,
  cpuWeightOfShares,
  linuxResourcesOf,
  podLimitsOf,
} from '../resources/cgroup-resources.ts';
import { oomScoreAdjust } from '../resources/qos.ts';
import { parseResolverConfig, resolverConfigOf } from './dns-config.ts';
import { computeEnvironment, serviceVariables } from './environment.ts';
import { expandReferences } from './expansion.ts';
import { fieldValue, resourceValue } from './field-paths.ts';
import { hostnameOf, hostnameProblem, hostsFileOf } from './hostname.ts';
import { containerSecurityContext, nonRootProblem } from './security-context.ts';
import { subPathOf } from './sub-path.ts';

test('references: known ones are replaced, unknown ones stay, and a doubled dollar sign is one', () => {
  const known: Record<string, string> = { A: '1', B: '$(A)' };
  const rows: [string, string][] = [
    ['$(A)-$(A)', '1-1'],
    ['$(NOPE)', '$(NOPE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(B)', '$(A)'],
    ['$(A', '$(A'],
    ['$A $', '$A $'],
    ['$($($(A)$($(', '$($($(A)$($('],
  ];
  for (const [text, expected] of rows)
    assert.equal(
      expandReferences(text, (name) => known[name]),
      expected,
    );
});

test('references: a long text of nothing but beginnings is read once', () => {
  const text = '$('.repeat(400_000);
  const { user: before } = process.cpuUsage();
  assert.equal(
    expandReferences(text, () => undefined),
    text,
  );
  assert.ok(process.cpuUsage().user - before < 3_000_000);
});

test('a path within a volume is relative also when its values are known, and lacks none of them', () => {
  const environment = new Map(Object.entries({ POD: 'web-0', ROOT: '/tmp', UP: '..', EMPTY: '' }));
  const path = (subPathExpr: string) => subPathOf({ name: 'v', mountPath: '/v', subPathExpr }, environment);
  assert.equal(path('logs/$(POD)'), 'logs/web-0');
  assert.equal(subPathOf({ name: 'v', mountPath: '/v', subPath: 'a/b' }, environment), 'a/b');
  assert.equal(subPathOf({ name: 'v', mountPath: '/v' }, environment), undefined);
  const refused = [
    ['$(ROOT)', 'error SubPath `/tmp` must not be an absolute path'],
    ['a/$(UP)/b', "unable to provision SubPath `a/../b`: must not contain '..'"],
    ['$(NONE)/$(EMPTY)/$(POD)', 'missing value for EMPTY, NONE'],
  ] as const;
  for (const [expression, message] of refused) assert.throws(() => path(expression), { message });
});

const node = { nodeName: 'n', hostIps: ['10.0.0.1'], allocatable: { cpu: '2', memory: '1Gi' } };

test('fields of the pod are given as text', () => {
  const pod = testPod({ serviceAccountName: 'sa' });
  pod.metadata.labels = { b: '2', a: 'x"y' };
  pod.metadata.annotations = { b: '3\u0001' };
  const value = (path: string) => fieldValue(pod, path, node, ['10.244.0.5']);
  assert.equal(value('metadata.labels'), 'a="x\\"y"\nb="2"');
  assert.equal(value('metadata.annotations'), String.raw`b="3\x01"`);
  assert.equal(value("metadata.labels['b']"), '2');
  assert.equal(value("metadata.annotations['constructor']"), '');
  assert.equal(value('spec.serviceAccountName'), 'sa');
  assert.equal(value('status.podIP'), '10.244.0.5');
  assert.throws(() => value('spec.nope'), /unsupported fieldPath/);
});

test('resources are given in units of the divisor, rounded up; a missing limit is what the node has', () => {
  const pod = testPod();
  const container = { name: 'c', resources: { requests: { cpu: '10m' }, limits: { memory: '64Mi' } } };
  assert.equal(resourceValue(pod, container, { resource: 'requests.cpu', divisor: '1m' }, node), '10');
  assert.equal(resourceValue(pod, container, { resource: 'requests.cpu' }, node), '1');
  assert.equal(resourceValue(pod, container, { resource: 'limits.memory', divisor: '1Mi' }, node), '64');
  assert.equal(resourceValue(pod, container, { resource: 'limits.cpu' }, node), '2');
  const bounded = testPod({ resources: { limits: { cpu: '1250m', memory: '32Mi' } } });
  const milli = { resource: 'limits.cpu', divisor: '1m' };
  assert.equal(resourceValue(bounded, container, milli, node), '1250');
  assert.equal(
    resourceValue(bounded, container, { resource: 'limits.memory' }, node),
    String(64 * 1024 ** 2),
  );
  const zero = { name: 'z', resources: { limits: { cpu: '0' } } };
  assert.equal(resourceValue(bounded, zero, milli, node), '1250');
});

const service = {
  metadata: { name: 'my-db', namespace: 'ns' },
  spec: { clusterIP: '10.96.0.7', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] },
} as Service;

test('the environment has services in both forms, unless the pod disables service links', () => {
  const variables = serviceVariables([service], testPod());
  assert.equal(variables.get('MY_DB_SERVICE_HOST'), '10.96.0.7');
  assert.equal(variables.get('MY_DB_SERVICE_PORT_SQL'), '5432');
  assert.equal(variables.get('MY_DB_PORT_5432_TCP'), 'tcp://10.96.0.7:5432');
  assert.equal(serviceVariables([service], testPod({ enableServiceLinks: false })).size, 0);
});

async function environmentOf(
  container: object,
  objects: Record<string, object> = {},
  files: Record<string, string> = {},
) {
  const environment = await computeEnvironment({
    pod: testPod(),
    container: { name: 'c', ...container },
    node,
    podIps: [],
    services: [service],
    objects: { get: async (_type: unknown, at: { name: string }) => objects[at.name] as never },
    readVolumeFile: async (volumeName, path) => files[`${volumeName}/${path}`],
  });
  return { environment };
}

test('a variable may come from a file that an init container left', async () => {
  const from = (key: string, more: object = {}) => ({
    name: key,
    valueFrom: { fileKeyRef: { volumeName: 'v', path: 'a.env', key, ...more } },
  });
  const files = { 'v/a.env': "A='one'\n" };
  const { environment } = await environmentOf({ env: [from('A'), from('B', { optional: true })] }, {}, files);
  assert.deepEqual([environment.get('A'), environment.has('B')], ['one', false]);
  const none = environmentOf({ env: [from('B')] }, {}, files);
  await assert.rejects(none, { message: 'environment variable key "B" not found in file "a.env"' });
  await assert.rejects(
    environmentOf({ env: [from('A')] }, {}, { 'v/a.env': 'A=one' }),
    /couldn't parse env file/,
  );
  const noFile = environmentOf({ env: [from('A', { optional: true })] });
  assert.equal((await noFile).environment.has('A'), false);
});

test('later sources of the environment win', async () => {
  const { environment } = await environmentOf(
    {
      envFrom: [{ configMapRef: { name: 'cm' } }],
      env: [
        { name: 'A', value: 'own' },
        { name: 'B', value: '$(A)-$(MY_DB_SERVICE_HOST)' },
        { name: 'D', value: '$(C)' },
      ],
    },
    { cm: { data: { A: 'cm', C: 'c' } } },
  );
  assert.deepEqual(
    ['A', 'B', 'C', 'D'].map((name) => environment.get(name)),
    ['own', 'own-10.96.0.7', 'c', 'c'],
  );
});

test('a key that every object knows is not there unless the ConfigMap has it', async () => {
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'constructor' } } }];
  await assert.rejects(environmentOf({ env }, { cm: { data: { B: 'b' } } }), {
    message: "couldn't find key constructor in ConfigMap ns/cm",
  });
  const { environment } = await environmentOf({ env }, { cm: { data: { constructor: 'c' } } });
  assert.equal(environment.get('A'), 'c');
});

test('every key of a ConfigMap or Secret is a variable, whatever its prefix starts with', async () => {
  const { environment } = await environmentOf(
    {
      envFrom: [
        { prefix: '1-', configMapRef: { name: 'cm' } },
        { prefix: '#@!', configMapRef: { name: 'cm' } },
        { secretRef: { name: 'keys' } },
      ],
    },
    { cm: { data: { 'data-1': 'x' } }, keys: { data: { '2.key': btoa('y') } } },
  );
  assert.deepEqual(
    ['1-data-1', '#@!data-1', '2.key'].map((name) => environment.get(name)),
    ['x', 'x', 'y'],
  );
});

test('a missing reference is an error unless it is optional', async () => {
  const from = (optional: boolean) => ({
    env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'later', key: 'k', optional } } }],
  });
  await assert.rejects(environmentOf(from(false)), { message: 'configmap "later" not found' });
  assert.equal((await environmentOf(from(true))).environment.has('A'), false);
  await assert.rejects(environmentOf(from(false), { later: { data: {} } }), {
    message: "couldn't find key k in ConfigMap ns/later",
  });
});

test('the resolver follows the DNS policy', () => {
  const host = parseResolverConfig('# c\nnameserver 8.8.8.8\nsearch corp.example\noptions timeout:1\n');
  const inputs = { clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', host };
  const { config: cluster, problems } = resolverConfigOf(testPod(), inputs);
  assert.deepEqual(problems, []);
  assert.deepEqual(cluster.servers, ['10.96.0.10']);
  assert.equal(cluster.searches[0], 'ns.svc.cluster.local');
  assert.equal(cluster.searches.at(-1), 'corp.example');
  assert.deepEqual(resolverConfigOf(testPod({ hostNetwork: true }), inputs).config.servers, ['8.8.8.8']);
  const dnsConfig = { nameservers: ['1.1.1.1'], options: [{ name: 'ndots', value: '2' }] };
  const none = resolverConfigOf(testPod({ dnsPolicy: 'None', dnsConfig }), inputs);
  assert.deepEqual(none.config, { servers: ['1.1.1.1'], searches: [], options: ['ndots:2'] });
});

test('resolver settings that the C library would not accept are left out, and reported', () => {
  const host = { servers: ['8.8.8.8'], searches: [], options: [] };
  const inputs = { clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', host };
  const resolver = (nameservers: string[], searches: string[], dnsPolicy: 'None' | 'ClusterFirst' = 'None') =>
    resolverConfigOf(testPod({ dnsPolicy, dnsConfig: { nameservers, searches } }), inputs);
  const four = resolver(['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'], []);
  assert.deepEqual(four.config.servers, ['1.1.1.1', '2.2.2.2', '3.3.3.3']);
  assert.deepEqual(four.problems, [
    {
      reason: 'DNSConfigForming',
      message:
        'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3',
    },
  ]);
  const omitted = (searches: string[]) => {
    const { config, problems } = resolver([], searches);
    const [problem] = problems;
    const applied = `the applied search line is: ${config.searches.join(' ')}`;
    assert.ok(problem?.message.endsWith(applied), problem?.message);
    return config.searches.length;
  };
  const named = (count: number, length: number) =>
    Array.from({ length: count }, (_, index) => `${index}`.padEnd(length, 'x'));
  assert.equal(omitted(named(33, 5)), 32, 'too many');
  assert.equal(omitted(['a', 'b'.repeat(254), 'c']), 2, 'one too long');
  assert.equal(omitted(named(10, 250)), 8, 'together too long');
});

test('without cluster DNS, pods that want it get the resolver of their node, and an event', () => {
  const host = { servers: ['8.8.8.8'], searches: ['corp.example'], options: ['timeout:1'] };
  const { config, problems } = resolverConfigOf(testPod(), {
    clusterDns: [],
    clusterDomain: 'cluster.local',
    host,
  });
  assert.deepEqual(config, host);
  assert.match(
    problems[0]!.message,
    /^pod: "p_ns\(.*\)"\. kubelet does not have ClusterDNS IP configured .* Falling back to "Default" policy\.$/,
  );
});

test('a pod is called by its name, its hostname, or its full name', () => {
  const pod = testPod({ hostname: 'other', subdomain: 'sub' });
  assert.equal(hostnameOf(testPod(), 'cluster.local'), 'p');
  assert.equal(hostnameOf(pod, 'cluster.local'), 'other');
  assert.equal(
    hostnameOf(testPod({ ...pod.spec, setHostnameAsFQDN: true }), 'cluster.local'),
    'other.sub.ns.svc.cluster.local',
  );
  const text = hostsFileOf(
    testPod({ ...pod.spec, hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] }),
    { podIps: ['10.244.0.5'], clusterDomain: 'cluster.local', hostHosts: '' },
  );
  assert.match(text, /10\.244\.0\.5\tother\.sub\.ns\.svc\.cluster\.local\tother\n/);
  assert.match(text, /1\.2\.3\.4\ta\tb\n/);
  const overridden = hostsFileOf(testPod({ ...pod.spec, hostnameOverride: 'over.example' }), {
    podIps: ['10.244.0.5'],
    clusterDomain: 'cluster.local',
    hostHosts: '',
  });
  assert.match(overridden, /\n10\.244\.0\.5\tover\.example\n/);
});

test('a full name that the kernel does not take is a problem', () => {
  const called = (hostname: string) => testPod({ hostname, subdomain: 'sub', setHostnameAsFQDN: true });
  assert.equal(hostnameProblem(called('h'.repeat(39)), 'cluster.local'), undefined);
  assert.equal(
    hostnameProblem(called('h'.repeat(40)), 'cluster.local'),
    `failed to construct FQDN from pod hostname and cluster domain, FQDN ${'h'.repeat(40)}.sub.ns.svc.cluster.local is too long (64 characters is the max, 65 characters requested)`,
  );
});

test('the less of what it may take a container has asked for, the higher its out-of-memory score', () => {
  const withResources = (resources: object) => testPod({ containers: [{ name: 'c', resources }] });
  const guaranteed = withResources({ limits: { cpu: '1', memory: '1Gi' } });
  const burstable = withResources({ requests: { memory: '256Mi' } });
  const bestEffort = withResources({});
  const score = (pod: ReturnType<typeof testPod>) => oomScoreAdjust(pod, pod.spec.containers[0]!, 1024 ** 3);
  assert.deepEqual([guaranteed, burstable, bestEffort].map(score), [-997, 750, 1000]);
});

test('of critical pods, those of the node itself have the lowest out-of-memory score', () => {
  const critical = (priorityClassName: string, priority: number) =>
    testPod({ priorityClassName, priority, containers: [{ name: 'c' }] });
  const score = (pod: ReturnType<typeof testPod>) => oomScoreAdjust(pod, pod.spec.containers[0]!, 1024 ** 3);
  assert.equal(score(critical('system-node-critical', 2_000_001_000)), -997);
  assert.equal(score(critical('system-cluster-critical', 2_000_000_000)), 1000);
  assert.equal(score(critical('system-node-critical', 0)), 1000);
});

test('what a pod asks for beyond its containers lowers the out-of-memory score of all of them alike', () => {
  const pod = testPod({
    resources: { requests: { memory: '768Mi' } },
    overhead: { memory: '64Mi' },
    containers: [{ name: 'a', resources: { requests: { memory: '256Mi' } } }, { name: 'b' }],
  });
  const scores = pod.spec.containers.map((container) => oomScoreAdjust(pod, container, 1024 ** 3));
  assert.deepEqual(scores, [500, 750]);
});

test('a sidecar is killed no sooner than any container that it serves', () => {
  const asking = (memory: string) => ({ resources: { requests: { memory } } });
  const pod = testPod({
    initContainers: [
      { name: 'proxy', restartPolicy: 'Always', ...asking('64Mi') },
      { name: 'large', restartPolicy: 'Always', ...asking('512Mi') },
      { name: 'first', ...asking('64Mi') },
    ],
    containers: [
      { name: 'a', ...asking('128Mi') },
      { name: 'b', ...asking('256Mi') },
    ],
  });
  const scores = pod.spec.initContainers!.map((container) => oomScoreAdjust(pod, container, 1024 ** 3));
  assert.deepEqual(scores, [875, 500, 938]);
});

test('shares of cgroup v1 and weights of v2 span the same range', () => {
  const weights = [2, 1024, 262_144].map(cpuWeightOfShares);
  assert.deepEqual(weights, [1, 39, 10_000]);
  assert.deepEqual([0, 4, ...weights].map(cpuSharesOfWeight), [0, 80, 2, 998, 262_144]);
});

test('requests and limits become shares, quota and bytes', () => {
  assert.deepEqual(linuxResourcesOf({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '64Mi' } }), {
    cpuShares: 512,
    cpuPeriod: 100_000,
    cpuQuota: 100_000,
    memoryLimitInBytes: 64 * 1024 ** 2,
    hugepageLimits: [],
  });
  const unbounded = testPod({
    containers: [{ name: 'a', resources: { limits: { memory: '1Gi' } } }, { name: 'b' }],
  });
  assert.equal(podLimitsOf(unbounded).memoryBytes, undefined);
  // The kernel takes no quota of nothing.
  const limitedToNothing = testPod({
    containers: [{ name: 'a', resources: { limits: { cpu: '0', memory: '0' } } }],
  });
  const { cpuQuotaUs, memoryBytes } = podLimitsOf(limitedToNothing);
  assert.deepEqual([cpuQuotaUs, memoryBytes], [undefined, undefined]);
});

test('a container without a limit sees that of the pod as a whole', () => {
  const own = { requests: { cpu: '1' }, limits: { cpu: '2' } };
  const [bounded, free] = [{ name: 'a', resources: own }, { name: 'b' }];
  const pod = testPod({
    containers: [bounded, free],
    resources: { limits: { cpu: '4', memory: '1Gi', 'hugepages-2Mi': '2Mi' } },
  });
  assert.deepEqual(boundedResources(pod, bounded), { ...own, limits: { cpu: '2', memory: '1Gi' } });
  assert.deepEqual(boundedResources(pod, free), { limits: { cpu: '4', memory: '1Gi' } });
  assert.equal(boundedResources(testPod(), bounded), own);
});

test('a container that must not run as root is refused with the reason', () => {
  const pod = testPod({ securityContext: { runAsNonRoot: true } });
  const container = pod.spec.containers[0]!;
  const where = '(pod: "p_ns(u)", container: c)';
  assert.equal(nonRootProblem(pod, container, { uid: 1000, username: '' }), undefined);
  assert.equal(
    nonRootProblem(pod, container, { uid: 0, username: '' }),
    `container has runAsNonRoot and image will run as root ${where}`,
  );
  assert.equal(
    nonRootProblem(pod, container, { uid: undefined, username: 'app' }),
    `container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root ${where}`,
  );
  const asRoot = { ...container, securityContext: { runAsUser: 0 } };
  assert.match(nonRootProblem(pod, asRoot, { uid: 5, username: '' }) ?? '', /breaks non-root policy/);
});

const securityOptions = {
  seccompRoot: '/s',
  seccompDefault: false,
  supplementalGroups: [],
  userNamespace: { mode: 'NODE' },
  imageUser: { uid: 5, username: '' },
} as const;

test('a container runs as the user of its spec, or else of its image, and the runtime is told whose groups count', () => {
  const runAs = (spec: Partial<core.PodSpec>, imageUser: { uid: number | undefined; username: string }) => {
    const pod = testPod(spec);
    const context = containerSecurityContext(pod, { name: 'c' }, { ...securityOptions, imageUser });
    return [context.runAsUser?.value, context.runAsUsername, context.runAsGroup?.value];
  };
  const root = { uid: undefined, username: '' };
  const own = { securityContext: { runAsUser: 7 } };
  const group = { securityContext: { runAsGroup: 3 } };
  assert.deepEqual(runAs({}, { uid: 5, username: '' }), [5, undefined, undefined]);
  assert.deepEqual(runAs({}, { uid: undefined, username: 'app' }), [undefined, 'app', undefined]);
  assert.deepEqual(runAs({}, root), [0, undefined, undefined]);
  assert.deepEqual(runAs(own, { uid: undefined, username: 'app' }), [7, undefined, undefined]);
  assert.deepEqual(runAs(group, root), [0, undefined, 3]);
});

test('the container says more than the pod about its security', () => {
  const pod = testPod({ securityContext: { runAsUser: 1, fsGroup: 7, supplementalGroups: [5] } });
  const context = containerSecurityContext(
    pod,
    { name: 'c', securityContext: { runAsUser: 2, allowPrivilegeEscalation: false } },
    { ...securityOptions, supplementalGroups: [9] },
  );
  assert.deepEqual(context.runAsUser, { value: 2 });
  assert.deepEqual(context.supplementalGroups, [5, 9, 7]);
  assert.equal(context.noNewPrivs, true);
});
