import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { WaitingReason } from '../containers/container-statuses.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { simulatedRuntime } from '../cri/simulated/simulated-runtime.ts';
import type { ObjectSource } from '../object-source.ts';
import { testPod } from '../pod.fixture.ts';
import { ImageManager, ImageProblem } from './image-manager.ts';
import type { ImageFindings } from './image-metrics.ts';
import { type ImageName, parseImageName } from './image-name.ts';
import { credentialsFor } from './pull-credentials.ts';
import { PulledImages } from './pulled-images.ts';

test('image names are taken apart, with their defaults', () => {
  const rows: [string, Partial<ImageName>][] = [
    ['busybox', { registry: 'docker.io', repository: 'library/busybox', full: 'busybox:latest' }],
    ['luksa/kubia:v1', { registry: 'docker.io', repository: 'luksa/kubia', tag: 'v1' }],
    ['k8s.gcr.io/pause:3.2', { registry: 'k8s.gcr.io', repository: 'pause', tag: '3.2' }],
    [
      'localhost:5000/a/b',
      { registry: 'localhost:5000', repository: 'a/b', full: 'localhost:5000/a/b:latest' },
    ],
    [
      `x@sha256:${'a'.repeat(64)}`,
      { digest: `sha256:${'a'.repeat(64)}`, full: `x@sha256:${'a'.repeat(64)}` },
    ],
  ];
  for (const [text, expected] of rows) {
    const parsed = parseImageName(text);
    assert.ok(!('problem' in parsed), text);
    for (const [key, value] of Object.entries(expected))
      assert.equal(parsed[key as keyof ImageName], value, text);
  }
});

const hex = (length: number, digit = 'a') => digit.repeat(length);

test('odd image names are taken apart as the reference implementation does', () => {
  const rows: [text: string, name: string, rest?: { tag?: string; digest?: string }][] = [
    ['index.docker.io/busybox', 'docker.io/library/busybox'],
    ['index.docker.io/library/busybox:1', 'docker.io/library/busybox', { tag: '1' }],
    ['docker.io', 'docker.io/library/docker.io'],
    ['localhost/x', 'localhost/x'],
    ['BUSY/box', 'BUSY/box'],
    ['x:5000/y', 'x:5000/y'],
    ['x:5000', 'docker.io/library/x', { tag: '5000' }],
    ['a.b', 'docker.io/library/a.b'],
    ['[::1]:5000/x', '[::1]:5000/x'],
    ['1.2.3.4/x:y', '1.2.3.4/x', { tag: 'y' }],
    ['ex_ample.com/x', 'ex_ample.com/x'],
    ['example.com/x__y--z', 'example.com/x__y--z'],
    ['x:_1', 'docker.io/library/x', { tag: '_1' }],
    [`x:${hex(128)}`, 'docker.io/library/x', { tag: hex(128) }],
    [`example.com/${hex(255)}`, `example.com/${hex(255)}`],
    [`library/${hex(64)}`, `docker.io/library/${hex(64)}`],
    [`${hex(64)}:1`, `docker.io/library/${hex(64)}`, { tag: '1' }],
    [`sha256:${hex(64)}`, 'docker.io/library/sha256', { tag: hex(64) }],
    [`x:1@sha256:${hex(64)}`, 'docker.io/library/x', { tag: '1', digest: `sha256:${hex(64)}` }],
    [`x@sha512:${hex(128)}`, 'docker.io/library/x', { digest: `sha512:${hex(128)}` }],
  ];
  for (const [text, name, rest = {}] of rows) {
    const parsed = parseImageName(text);
    assert.ok(!('problem' in parsed), text);
    const { registry, repository, full, ...parts } = parsed;
    assert.equal(`${registry}/${repository}`, name, text);
    assert.deepEqual(parts, rest, text);
    assert.equal(full, Object.keys(rest).length > 0 ? text : `${text}:latest`);
  }
});

test('bad image names are refused in the words that users know', () => {
  const rows: Record<string, string[]> = {
    'invalid reference format: repository name must be lowercase': [
      'Bad:::name',
      'busy/Box',
      'Example.com/X',
      'foo/İ',
      `x@SHA256:${hex(64)}`,
    ],
    'invalid reference format': [
      ...['', ':1', 'x:', 'x::1', 'x:1:2', '/x', 'x/', 'a//b', ' x', 'x ', 'a b', 'x:1\n', 'é', 'x:é'],
      ...['-x', 'x:-1', `x:${hex(129)}`, 'x@', 'x@sha256', 'x..y/z', 'http://example.com/x'],
      ...['example.com/', 'example.com:/x', 'example.com:abc/x', '-example.com/x', '::1/x', 'a.b/x___y'],
      ...[`x@sha256:${hex(31)}`, `x@sha256:${hex(64, 'g')}`, `x@sha256:${hex(64)}:tag`],
    ],
    'invalid checksum digest length': [`x@sha256:${hex(63)}`, `x:1@sha256:${hex(65)}`, `x@sha512:${hex(64)}`],
    'invalid checksum digest format': [`x@sha256:${hex(64, 'A')}`],
    'unsupported digest algorithm': [`x@md5:${hex(32)}`, `x@sha256+b64:${hex(64)}`],
    'repository name must not be more than 255 characters': [hex(255), `example.com/${hex(256)}`],
    [`invalid repository name (${hex(64)}), cannot specify 64-byte hexadecimal strings`]: [hex(64)],
  };
  for (const [detail, texts] of Object.entries(rows))
    for (const text of texts)
      assert.deepEqual(parseImageName(text), {
        problem: `couldn't parse image reference "${text}": ${detail}`,
      });
});

function secret(auths: object): Secret {
  const data = { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') };
  return sparse<Secret>({ metadata: { namespace: 'default', name: 'pull', uid: '1' }, data });
}

test('credentials fit by registry, port, path and pattern, the most specific first', () => {
  const auth = Buffer.from('user:pa:ss').toString('base64');
  const users = (text: string, auths: object) =>
    credentialsFor(parseImageName(text) as ImageName, [secret(auths)]).map(({ auth }) => auth.username);
  assert.deepEqual(credentialsFor(parseImageName('r.io/a') as ImageName, [secret({ 'r.io': { auth } })]), [
    {
      auth: { username: 'user', password: 'pa:ss' },
      secret: { namespace: 'default', name: 'pull', uid: '1' },
    },
  ]);
  assert.deepEqual(users('r.io/team/a', { 'r.io': { username: 'all' }, 'r.io/team': { username: 'team' } }), [
    'team',
    'all',
  ]);
  assert.deepEqual(users('r.io:5000/a', { 'r.io': { username: 'x' } }), []);
  assert.deepEqual(users('eu.gcr.io/a', { '*.gcr.io': { username: 'x' } }), ['x']);
  const costly = `${'*a'.repeat(40)}*b:1`;
  assert.deepEqual(users(`${'a'.repeat(200)}:1/a`, { [costly]: { username: 'x' } }), []);
  assert.deepEqual(users('aXbXc.io/a', { 'a*b*c.*': { username: 'x' } }), ['x']);
  assert.deepEqual(users('r.io/a', { 'r.io': { username: 'x' }, other: null }), ['x']);
  assert.deepEqual(users('r.io/a', { 'r.io': { auth: 5 } }), []);
  assert.deepEqual(users('busybox', { 'https://index.docker.io/v1/': { username: 'hub' } }), ['hub']);
});

test('credentials are taken from keys as upstream reads them', () => {
  const auth = Buffer.from('user:secret').toString('base64');
  const users = (text: string, auths: object) =>
    credentialsFor(parseImageName(text) as ImageName, [secret(auths)]).map(({ auth }) => auth.username);
  // A pattern stands after a name, however long it is.
  assert.deepEqual(
    users('a.io/team/x', { '*.io/team': { username: 'any' }, 'a.io': { username: 'exact' } }),
    ['exact', 'any'],
  );
  assert.deepEqual(users('r.io/team-a/x', { 'r.io/team': { username: 'x' } }), ['x']);
  assert.deepEqual(users('r.io/other/x', { 'r.io/team': { username: 'x' } }), []);
  assert.deepEqual(users('r.io/team/x', { 'https://r.io/v2/team': { username: 'x' } }), ['x']);
  assert.deepEqual(users('busybox', { 'docker.io': { username: 'own' }, 'index.docker.io': null }), ['own']);
  assert.deepEqual(users('r.io/a', { 'r.io': { auth, username: 'other', password: 'other' } }), ['user']);
});

const preloaded = () =>
  new PulledImages({ logger: silentLogger, verification: { policy: 'NeverVerify', allowlist: [] } });

/** `pullSecret`: the one that the pods name. */
function setup(change: Partial<ContainerRuntime> = {}, pullSecret?: Secret) {
  const clock = new VirtualClock();
  const events: string[] = [];
  const log = (reason: string, message: string) => void events.push(`${reason} ${message}`);
  const { signal } = new AbortController();
  const pulls: [bytes: number, seconds: number][] = [];
  const problems: WaitingReason[] = [];
  const requests: [policy: string, found: ImageFindings][] = [];
  const manager = new ImageManager({
    runtime: Object.assign(simulatedRuntime({ clock, random: seededRandom(1) }), change),
    objects: sparse<ObjectSource>({ get: async () => pullSecret }),
    clock,
    signal,
    pulled: preloaded(),
    metrics: {
      pulled: (...pull) => void pulls.push(pull),
      requested: (policy, found) => void requests.push([policy, found]),
    },
  });
  const ensure = async (image: string, imagePullPolicy?: 'Always' | 'Never' | 'IfNotPresent') => {
    const outcome = manager
      .ensure(
        { image, ...(imagePullPolicy && { imagePullPolicy }) },
        {
          pod: { ...testPod(), spec: { ...testPod().spec, imagePullSecrets: [{ name: 'pull' }] } },
          sandbox: { metadata: { name: '', uid: '', namespace: '', attempt: 0 } },
          events: { normal: log, warning: log },
          pulling: () => undefined,
        },
      )
      .then(
        () => 'there',
        (error: unknown) => {
          if (!(error instanceof ImageProblem)) return String(error);
          problems.push(error.waiting);
          return error.waiting.reason;
        },
      );
    await clock.advance(100);
    return outcome;
  };
  return { clock, manager, events, pulls, requests, problems, log, ensure };
}

test('an image is pulled once, and reported as present after that', async () => {
  const { events, pulls, ensure } = setup();
  assert.equal(await ensure('a:1'), 'there');
  assert.equal(await ensure('a:1'), 'there');
  assert.deepEqual(
    events.map((event) => event.split(' ')[0]),
    ['Pulling', 'Pulled', 'Pulled'],
  );
  assert.match(events[2]!, /already present on machine and can be accessed by the pod$/);
  assert.equal(pulls.length, 1);
});

test('waiting for the image of a volume is reported at the container, the image at the pod', async () => {
  const { clock, manager, events, log } = setup();
  const waiting: string[] = [];
  const note = (reason: string, message: string) => void waiting.push(`${reason} ${message}`);
  const user = {
    pod: testPod(),
    sandbox: { metadata: { name: '', uid: '', namespace: '', attempt: 0 } },
    events: { normal: log, warning: log },
    containerEvents: { normal: note, warning: note },
    pulling: () => undefined,
  };
  for (let round = 0; round < 2; round++) {
    const refused = assert.rejects(manager.ensure({ image: '127.0.0.1:1/none:1' }, user));
    await clock.advance(1000);
    await refused;
  }
  assert.deepEqual(waiting, ['Failed Error: ImagePullBackOff']);
  assert.equal(events.at(-1), 'BackOff Back-off pulling image "127.0.0.1:1/none:1"');
});

test('policy Always pulls again, and Never does not at all', async () => {
  const { events, requests, ensure } = setup();
  await ensure('a:1', 'Always');
  await ensure('a:1', 'Always');
  assert.equal(events.filter((event) => event.startsWith('Pulling')).length, 2);
  assert.equal(await ensure('b:1', 'Never'), 'ErrImageNeverPull');
  await ensure('a:1', 'Never');
  await ensure('c:1');
  await ensure('Bad:::name');
  assert.deepEqual(requests, [
    ['Always', { mustPull: true }],
    ['Always', { mustPull: true }],
    ['Never', { isPresent: false }],
    ['Never', { isPresent: true, mustPull: false }],
    ['IfNotPresent', { isPresent: false, mustPull: true }],
    ['IfNotPresent', {}],
  ]);
});

test('a failed pull is seen for ten seconds, then its back-off, and then it is tried again', async () => {
  const { clock, events, problems, ensure } = setup();
  const image = '127.0.0.1:1/none:1';
  assert.equal(await ensure(image), 'ErrImagePull');
  await clock.advance(1000);
  assert.equal(await ensure(image), 'ErrImagePull');
  assert.equal(events.at(-1), `BackOff Back-off pulling image "${image}"`);
  await clock.advance(10_000);
  assert.equal(await ensure(image), 'ErrImagePull');
  assert.equal(events.filter((event) => event.startsWith('Pulling')).length, 2);
  await clock.advance(11_000);
  assert.equal(await ensure(image), 'ImagePullBackOff');
  assert.equal(problems.at(-1)!.message, `Back-off pulling image "${image}"`);
  assert.equal(await ensure('Bad:::name'), 'InvalidImageName');
});

test('what the runtime says of a failed pull is told, and named where it is known', async () => {
  const rows: [error: RuntimeError, reason: string, message: string][] = [
    [
      new RuntimeError('Unknown', 'dial tcp: no'),
      'ErrImagePull',
      'rpc error: code = Unknown desc = dial tcp: no',
    ],
    [
      new RuntimeError('NotFound', 'no such tag'),
      'ErrImagePull',
      'rpc error: code = NotFound desc = no such tag',
    ],
    [
      new RuntimeError('Unknown', 'RegistryUnavailable: it is down'),
      'RegistryUnavailable',
      'image pull failed for a:1 because the registry is unavailable: it is down',
    ],
    [
      new RuntimeError('Unknown', 'SignatureValidationFailed: no key'),
      'SignatureValidationFailed',
      'image pull failed for a:1 because the signature validation failed: no key',
    ],
  ];
  for (const [error, reason, message] of rows) {
    const { events, problems, ensure } = setup({ pullImage: () => Promise.reject(error) });
    assert.equal(await ensure('a:1'), reason);
    assert.deepEqual(problems, [{ reason, message }]);
    assert.equal(events.at(-1), `Failed Failed to pull image "a:1": ${error.message}`);
  }
});

test('of several credentials that are refused, each says why', async () => {
  const auths = { 'r.io': { username: 'a' }, 'r.io/team': { username: 'b' }, 'r.io/te': { username: 'b' } };
  const { problems, ensure } = setup(
    {
      pullImage: async (_image, auth) => Promise.reject(new RuntimeError('Unknown', `not ${auth?.username}`)),
    },
    secret(auths),
  );
  assert.equal(await ensure('r.io/team/a:1'), 'ErrImagePull');
  const said = (user: string) => `rpc error: code = Unknown desc = not ${user}`;
  assert.equal(problems[0]!.message, `[${said('b')}, ${said('a')}]`);
});

test('an image that the runtime cannot look at is no reason to pull it; one that is silent is asked again', async () => {
  const broken = new RuntimeError('Unknown', 'metadata.db: corrupted');
  const { events, ensure } = setup({ imageStatus: () => Promise.reject(broken) });
  assert.equal(await ensure('a:1'), 'ImageInspectError');
  assert.deepEqual(events, [`InspectFailed Failed to inspect image "": ${broken.message}`]);
  const silent = new RuntimeError('Unavailable', 'connection refused');
  const other = setup({ imageStatus: () => Promise.reject(silent) });
  assert.equal(await other.ensure('a:1'), String(silent));
  assert.deepEqual(other.events, []);
});

test('with a limit, pulls wait for their turn, and the event has how long', async () => {
  const clock = new VirtualClock();
  const pulls: PromiseWithResolvers<string>[] = [];
  const events: string[] = [];
  let pulled = 0;
  const manager = new ImageManager({
    runtime: sparse<ContainerRuntime>({
      imageStatus: async () => (pulled > 0 ? { id: 'i', size: 1 } : undefined),
      downloads: async () => [],
      pullImage: () => {
        const pull = Promise.withResolvers<string>();
        pulls.push(pull);
        return pull.promise;
      },
    }),
    objects: {} as ObjectSource,
    clock,
    signal: new AbortController().signal,
    pulled: preloaded(),
    metrics: { pulled: () => undefined, requested: () => undefined },
    pullsMax: 1,
  });
  const log = (reason: string, message: string) => void events.push(`${reason} ${message}`);
  const sandbox = { metadata: { name: '', uid: '', namespace: '', attempt: 0 } };
  const both = ['a:1', 'b:1'].map((image) =>
    manager.ensure(
      { image },
      { pod: testPod(), sandbox, events: { normal: log, warning: log }, pulling: () => undefined },
    ),
  );
  await clock.advance(2000);
  assert.equal(pulls.length, 1);
  pulled++;
  pulls[0]!.resolve('i');
  await clock.advance(1000);
  assert.equal(pulls.length, 2);
  pulls[1]!.resolve('i');
  await Promise.all(both);
  assert.match(events.at(-1)!, /Successfully pulled image "b:1" in 1s \(3s including waiting\)/);
});
