import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeParsed, type FieldValidation, parseApplyBody, parseBody } from './body.ts';

const deployment = { group: 'apps', version: 'v1', kind: 'Deployment' };
const schemas = {
  Deployment: 'io.k8s.api.apps.v1.Deployment',
  ConfigMap: 'io.k8s.api.core.v1.ConfigMap',
  Event: 'io.k8s.api.core.v1.Event',
  Secret: 'io.k8s.api.core.v1.Secret',
  Pod: 'io.k8s.api.core.v1.Pod',
};
const bytes = (body: unknown) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
const read = (kind: keyof typeof schemas, body: unknown, validation: FieldValidation = 'Strict') => {
  const expected = kind === 'Deployment' ? deployment : { group: '', version: 'v1', kind };
  return decodeParsed(parseBody(bytes(body), 'json', kind), schemas[kind], expected, validation);
};

const refused: [string, keyof typeof schemas, unknown, string | RegExp][] = [
  [
    'a string for a number',
    'Deployment',
    { spec: { replicas: 'a' } },
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    'a number for a label',
    'ConfigMap',
    { metadata: { labels: { a: 1 } } },
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    'text that is no base64',
    'Secret',
    { data: { a: '***' } },
    'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
  ],
  [
    'a quantity that is none',
    'Pod',
    { spec: { containers: [{ resources: { limits: { cpu: '1x' } } }] } },
    /cannot be handled as a Pod: quantities must match the regular expression/,
  ],
  [
    'a number beyond 32 bits',
    'Deployment',
    { spec: { replicas: 3_000_000_000 } },
    /cannot unmarshal number 3000000000 into Go struct field DeploymentSpec\.spec\.replicas of type int32$/,
  ],
  ['a type that has a name', 'Pod', { spec: { restartPolicy: 1 } }, /of type v1\.RestartPolicy$/],
  [
    'an object for a list',
    'Pod',
    { spec: { containers: {} } },
    /cannot unmarshal object into Go struct field PodSpec\.spec\.containers of type \[\]v1\.Container$/,
  ],
  [
    'a time that is none',
    'ConfigMap',
    { metadata: { creationTimestamp: 'x' } },
    /parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"$/,
  ],
  [
    'unknown fields',
    'Pod',
    { foo: 1, spec: { containers: [{ bar: 1 }] } },
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "foo", unknown field "spec.containers[0].bar"',
  ],
  [
    'a field that stands twice',
    'ConfigMap',
    '{"data":{"a":"1","a":"2"}}',
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"',
  ],
  [
    'another kind',
    'ConfigMap',
    { apiVersion: 'v1', kind: 'Secret' },
    /^Secret in version "v1" cannot be handled as a ConfigMap: /,
  ],
  [
    'another version',
    'Deployment',
    { apiVersion: 'apps/v1beta1', kind: 'Deployment' },
    'the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)',
  ],
  [
    'no body',
    'ConfigMap',
    '',
    "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
  ],
  [
    'a list',
    'ConfigMap',
    '[]',
    /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: json: cannot unmarshal array into Go value of type struct .* \(5b5d\)$/,
  ],
  ['nesting without end', 'ConfigMap', '{"data":'.repeat(5000), /exceeded max depth/],
];
for (const [what, kind, body, message] of refused) {
  test(`${what}: refused in upstream words`, () => {
    assert.throws(() => read(kind, body), { code: 400, reason: 'BadRequest', message });
  });
}

test('an unknown field is a warning, or nothing at all, when the client wants that', () => {
  const body = '{"metadata":{"name":"x"},"foo":1,"data":{"a":"1","a":"2"}}';
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' }, data: { a: '2' } };
  // In the order in which they stand in the text.
  const warnings = ['unknown field "foo"', 'duplicate field "data.a"'];
  assert.deepEqual(read('ConfigMap', body, 'Warn'), { object, warnings });
  assert.deepEqual(read('ConfigMap', body, 'Ignore'), { object, warnings: [] });
});

test('an object is printed as upstream prints it', () => {
  const template = {
    spec: {
      hostNetwork: false,
      containers: [{ name: 'a', resources: { limits: { cpu: '1000m', memory: 0.5 } } }],
    },
  };
  const { object } = read('Deployment', {
    metadata: { name: 'x', labels: {} },
    spec: { replicas: 0, minReadySeconds: 0, template },
  });
  assert.deepEqual(object, {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'x' },
    spec: {
      replicas: 0,
      selector: null,
      strategy: {},
      template: {
        metadata: {},
        spec: { containers: [{ name: 'a', resources: { limits: { cpu: '1', memory: '500m' } } }] },
      },
    },
    status: {},
  });
});

test('times are made UTC, whole seconds or microseconds', () => {
  const event = read('Event', {
    eventTime: '2020-01-01T00:00:00.123456+01:00',
    lastTimestamp: '2020-01-01T00:00:00.9+01:00',
  }).object;
  assert.equal(event.eventTime, '2019-12-31T23:00:00.123456Z');
  assert.equal(event.lastTimestamp, '2019-12-31T23:00:00Z');
  assert.equal(event.firstTimestamp, null);
  for (const eventTime of ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00.123Z'])
    assert.throws(() => read('Event', { eventTime }), /cannot parse "(\.123)?Z" as "\.000000"/);
});

test('the largest whole numbers stay within 64 bits, for Go to read them', () => {
  const text = '{"spec":{"containers":[],"tolerations":[{"tolerationSeconds":9223372036854775807}]}}';
  const printed = /"tolerationSeconds":(\d+)/.exec(JSON.stringify(read('Pod', text).object))?.[1] ?? '';
  assert.ok(BigInt(printed) < 2n ** 63n && BigInt(printed) > 2n ** 63n - 2000n, printed);
  assert.throws(
    () => read('Pod', text.replace('9223372036854775807', '99223372036854775807')),
    /cannot unmarshal number/,
  );
});

test('keys that JavaScript knows are keys like any other', () => {
  const { object } = read('ConfigMap', '{"data":{"__proto__":"x","constructor":"y","toString":"z"}}');
  assert.equal(JSON.stringify(object.data), '{"__proto__":"x","constructor":"y","toString":"z"}');
  assert.throws(() => read('ConfigMap', '{"__proto__":{"a":1}}'), /unknown field "__proto__"/);
});

test('a body beyond the limit is refused as too large', () => {
  assert.throws(() => parseBody(Buffer.alloc(3 * 1024 * 1024 + 1, 32), 'json', 'Pod'), { code: 413 });
});

const yaml: [string, unknown][] = [
  ['a: yes\nb: "yes"\nc: off', { a: true, b: 'yes', c: false }],
  [
    'a: 80:80\nb: 2020-01-01\nc: 0777\nd: 0o17\ne: 1e3\nf: 1_000\ng: 0x1f',
    { a: '80:80', b: '2020-01-01', c: 511, d: 15, e: 1000, f: 1000, g: 31 },
  ],
  ['a: ~\nb:\nc: null', { a: null, b: null, c: null }],
  ['v: &x {p: 1}\nw:\n  <<: *x\n  q: 2', { v: { p: 1 }, w: { p: 1, q: 2 } }],
  ['a: |\n  x\n  y\nb: >-\n  x\n  y', { a: 'x\ny\n', b: 'x y' }],
  ['# first\n---\na: 1\n---\n}{', { a: 1 }],
  ['{"a": [1, {"b": null}]}', { a: [1, { b: null }] }],
  ['1: x\ntrue: y1', { 1: 'x', true: 'y1' }],
];
for (const [text, value] of yaml) {
  test(`YAML is read as upstream reads it: ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.deepEqual(parseApplyBody(Buffer.from(text), 'Strict').config, value);
  });
}

const brokenYaml: [string, string | RegExp][] = [
  [
    'a: [',
    'error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content',
  ],
  ['a: b: c', /yaml: mapping values are not allowed in this context$/],
  ['a: 1\nb: *x', /yaml: unknown anchor 'x' referenced$/],
  ['a: &a [*a]', /excessive aliasing$/],
  [
    `a: &x ${'y'.repeat(100_000)}\n${Array.from({ length: 9000 }, (_, index) => `b${index}: *x`).join('\n')}`,
    /excessive aliasing$/,
  ],
  [`a: ${'['.repeat(100_000)}`, /exceeded max depth/],
  ['- '.repeat(100_000), /exceeded max depth/],
  ['- 1', /cannot unmarshal array/],
];
for (const [text, message] of brokenYaml) {
  test(`broken YAML is refused: ${JSON.stringify(text.slice(0, 20))}`, () => {
    assert.throws(() => parseApplyBody(Buffer.from(text), 'Ignore'), { code: 400, message });
  });
}

test('a key that stands twice in YAML is refused or a warning, and its last value counts', () => {
  const body = Buffer.from('a: 1\nb: 2\n"a": 3\n');
  const problem = 'line 3: key "a" already set in map';
  assert.deepEqual(parseApplyBody(body, 'Warn'), { config: { a: 3, b: 2 }, warnings: [problem] });
  assert.throws(() => parseApplyBody(body, 'Strict'), {
    message: `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ${problem}`,
  });
});

test('options of a delete that cannot be read are refused without a word of what was looked for', () => {
  for (const [body, message] of [
    ['{"a":', "couldn't get version/kind; json parse error: unexpected end of JSON input"],
    ['[]', /^couldn't get version\/kind; json parse error: json: cannot unmarshal array into Go value/],
  ] as const)
    assert.throws(() => parseBody(bytes(body), 'json', 'DeleteOptions'), { code: 400, message });
});
