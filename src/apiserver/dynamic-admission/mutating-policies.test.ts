import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { configMap, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';

suite('mutating policies', () => {
  let server: TestServer;
  const group = '/apis/admissionregistration.k8s.io/v1';
  const policies = `${group}/mutatingadmissionpolicies`;
  const bindings = `${group}/mutatingadmissionpolicybindings`;
  const deployments = '/apis/apps/v1/namespaces/default/deployments';

  before(async () => {
    server = await createTestServer();
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    await server.ask('DELETE', policies);
    await server.ask('DELETE', bindings);
  });

  const apply = (expression: string) => ({
    patchType: 'ApplyConfiguration',
    applyConfiguration: { expression },
  });
  const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

  async function define(
    name: string,
    mutations: object[],
    more: object = {},
    bound: object = {},
  ): Promise<void> {
    const spec = {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['', 'apps'],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['configmaps', 'deployments'],
          },
        ],
      },
      failurePolicy: 'Fail',
      reinvocationPolicy: 'Never',
      mutations,
      ...more,
    };
    const made = await server.ask('POST', policies, { metadata: { name }, spec });
    assert.equal(made.status, 201, JSON.stringify(made.object));
    const binding = { metadata: { name }, spec: { policyName: name, ...bound } };
    assert.equal((await server.ask('POST', bindings, binding)).status, 201);
  }

  let count = 0;
  async function create(labels: Record<string, string> = {}) {
    const name = `c${count++}`;
    return server.ask('POST', configMaps, configMap(name, { a: '1' }, labels));
  }

  test('an apply configuration is merged into the object', async () => {
    await define('label', [
      apply(
        'Object{metadata: Object.metadata{labels: {"team": "core", "was": object.data.a}}, data: {"b": "2"}}',
      ),
    ]);
    const { object } = await create({ own: 'x' });
    assert.deepEqual(object.metadata.labels, { own: 'x', team: 'core', was: '1' });
    assert.deepEqual(object.data, { a: '1', b: '2' });
  });

  test('what a policy says of the type counts not, and fields that are not there are an error', async () => {
    await define('typed', [apply('Object{kind: "Secret", apiVersion: "v2", data: {"b": "2"}}')]);
    const { object } = await create();
    assert.deepEqual([object.kind, object.data], ['ConfigMap', { a: '1', b: '2' }]);
    await server.ask('DELETE', policies);
    for (const path of ['/foo', 'data/foo']) {
      await define('unknown', [patch(`[JSONPatch{op: "add", path: "${path}", value: "x"}]`)]);
      const { status, object: refused } = await create();
      assert.equal(status, 500);
      assert.equal(refused.message, 'Internal error occurred: strict decoding error: unknown field "foo"');
      await server.ask('DELETE', policies);
      await server.ask('DELETE', bindings);
    }
  });

  test('a field with a question mark is there if its value is', async () => {
    const labels =
      'Object.metadata{?labels: optional.none(), ?annotations: optional.of({?"x": object.data[?"a"]})}';
    await define('optional', [apply(`Object{metadata: ${labels}, ?data: object.?none}`)]);
    const { object } = await create({ own: 'x' });
    assert.deepEqual(object.metadata.labels, { own: 'x' }, JSON.stringify(object));
    assert.deepEqual(object.metadata.annotations, { x: '1' });
    assert.deepEqual(object.data, { a: '1' });
  });

  test('lists are merged by their keys, as server-side apply does', async () => {
    await define('sidecar', [
      apply(
        'Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{initContainers: [Object.spec.template.spec.initContainers{name: "mesh", image: "mesh:1", restartPolicy: "Always"}]}}}}',
      ),
    ]);
    const template = (initContainers: object[]) => ({
      metadata: { labels: { a: 'b' } },
      spec: { initContainers, containers: [{ name: 'c', image: 'c' }] },
    });
    const made = await server.ask('POST', deployments, {
      metadata: { name: 'web' },
      spec: { selector: { matchLabels: { a: 'b' } }, template: template([{ name: 'first', image: 'f' }]) },
    });
    assert.equal(made.status, 201, JSON.stringify(made.object));
    const names = made.object.spec.template.spec.initContainers.map(({ name }: { name: string }) => name);
    assert.deepEqual(names, ['first', 'mesh']);
  });

  test('a JSON patch may depend on the object, its parameters and variables, and on what came before', async () => {
    await server.ask('POST', configMaps, configMap('params', { value: 'p' }));
    await define(
      'patch',
      [
        patch(
          '[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("x.y/z"), value: variables.text}]',
        ),
        patch('has(object.data.a) ? [JSONPatch{op: "remove", path: "/data/a"}] : []'),
        patch('[JSONPatch{op: "add", path: "/data/left", value: string(size(object.data))}]'),
      ],
      {
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        variables: [{ name: 'text', expression: 'params.data.value + object.data.b' }],
        matchConditions: [{ name: 'not-params', expression: 'object.metadata.name != "params"' }],
      },
      { paramRef: { name: 'params', namespace: 'default', parameterNotFoundAction: 'Deny' } },
    );
    const { object } = await server.ask(
      'POST',
      configMaps,
      configMap('patched', { a: '1', b: '2' }, { l: 'x' }),
    );
    assert.deepEqual(object.metadata?.labels, { l: 'x', 'x.y/z': 'p2' }, JSON.stringify(object));
    assert.deepEqual(object.data, { b: '2', left: '1' });
  });

  test('a policy with reinvocation sees the changes of later policies', async () => {
    await define('a', [apply('Object{data: {"seen": has(object.data.late) ? "yes" : "no"}}')], {
      reinvocationPolicy: 'IfNeeded',
    });
    await define('b', [apply('Object{data: {"late": "1"}}')]);
    assert.equal((await create()).object.data.seen, 'yes');
  });

  test('a webhook that asks for reinvocation is called again, after its own change too, and never a third time', async () => {
    const mark = (letter: string) =>
      apply(`Object{data: {"order": (has(object.data.order) ? object.data.order : "") + "${letter}"}}`);
    const again = { reinvocationPolicy: 'IfNeeded' };
    await define('a', [mark('a')], again);
    await define('b', [mark('b')]);
    await define('c', [mark('c')], again);
    assert.equal((await create()).object.data.order, 'abcac');
  });

  test('a patch whose test fails does nothing', async () => {
    await define('tests', [
      patch('[JSONPatch{op: "test", path: "/data/a", value: "2"}, JSONPatch{op: "remove", path: "/data/a"}]'),
    ]);
    assert.deepEqual((await create()).object.data, { a: '1' });
  });

  test('each mutation sees in the variables, too, what those before it made', async () => {
    const variables = [{ name: 'keys', expression: 'string(object.data.size())' }];
    const mutations = [
      apply('Object{data: {"first": variables.keys}}'),
      patch('[JSONPatch{op: "add", path: "/data/second", value: variables.keys}]'),
    ];
    await define('counting', mutations, { variables });
    const { object } = await create();
    assert.deepEqual(object.data, { a: '1', first: '1', second: '2' });
  });

  test('a mutation that fails leaves the others of its policy their part', async () => {
    const mutations = [
      apply('Object{data: {"before": "yes"}}'),
      patch('[JSONPatch{op: "remove", path: "/data/none"}]'),
      apply('Object{data: {"after": "yes"}}'),
    ];
    await define('lenient', mutations, { failurePolicy: 'Ignore' });
    const { object } = await create();
    assert.deepEqual(object.data, { a: '1', before: 'yes', after: 'yes' });
  });

  test('all failures are reported, with their expressions', async () => {
    const expression = 'Object{data: {"x": object.data.none}}';
    await define('a', [apply(expression)]);
    await define('b', [apply('Object{}')], { paramKind: { apiVersion: 'none.io/v1', kind: 'None' } });
    const { status, object } = await create();
    assert.equal(status, 403);
    const messages = object.details.causes.map(({ message }: { message: string }) => message);
    assert.deepEqual(messages, [
      `policy "b" denied request: failed to configure policy: failed to find resource referenced by paramKind: 'none.io/v1, Kind=None'`,
      `policy 'a' with binding 'a' denied request: expression '${expression}' resulted in error: no such key: none`,
    ]);
    assert.equal(object.reason, 'Forbidden');
  });

  test('built-in plugins see what a policy has injected', async () => {
    await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };
    await define(
      'sidecar',
      [
        patch(
          '[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{name: "side", image: "s"}}]',
        ),
      ],
      { matchConstraints: { resourceRules: [rule] } },
    );
    const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'c' }] } };
    const { object } = await server.ask('POST', '/api/v1/namespaces/default/pods', pod);
    const mounts = object.spec.containers.map(
      ({ name, volumeMounts }: { name: string; volumeMounts?: { mountPath: string }[] }) => [
        name,
        ...(volumeMounts ?? []).map(({ mountPath }) => mountPath),
      ],
    );
    const token = '/var/run/secrets/kubernetes.io/serviceaccount';
    assert.deepEqual(mounts, [
      ['c', token],
      ['side', token],
    ]);
  });

  test('an apply configuration may not replace as a whole what cannot be merged', async () => {
    const template = {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', image: 'c', args: ['x'] }] },
    };
    const deployment = { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template } };
    const spec =
      'Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: "c", args: ["y"]}]}}}';
    await define('args', [apply(`Object{spec: ${spec}}`)]);
    const { status, object } = await server.ask('POST', deployments, deployment);
    assert.equal(status, 403);
    assert.equal(
      object.message,
      "policy 'args' with binding 'args' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].args",
    );
    await server.ask('DELETE', policies);
    await define('bogus', [apply('Object{bogus: 1}')]);
    assert.equal(
      (await create()).object.message,
      "policy 'bogus' with binding 'bogus' denied request: error applying patch: failed to convert patch object to typed object: .bogus: field not declared in schema",
    );
  });

  test('the names of types say the fields in which their objects are', async () => {
    const spec = (inner: string) => apply(`Object{spec: Object.spec{${inner}}}`);
    const add = (value: string) => patch(`[JSONPatch{op: "add", path: "/data/x", value: ${value}}]`);
    const misnamed = (name: string, wanted: string) =>
      `unexpected type name "${name}", expected "${wanted}", which matches field name path from root Object type`;
    const undeclared =
      'error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema';
    /** The message begins so after the policy's name and the words "type mismatch". */
    const rows: [object, string][] = [
      [apply('Object{data: Object.spec{a: "1"}}'), misnamed('Object.spec', 'Object.data')],
      [
        apply('Object{metadata: Object.metadata{labels: Object.labels{a: "b"}}}'),
        misnamed('Object.labels', 'Object.metadata.labels'),
      ],
      [spec('m: {"k": Object.spec.n{}}'), misnamed('Object.spec.n', 'Object.spec.m')],
      [spec('l: [Object.spec.l.item{}]'), misnamed('Object.spec.l.item', 'Object.spec.l')],
      [spec('l: [1].map(i, Object.spec.k{i: i})'), misnamed('Object.spec.k', 'Object.spec.l')],
      [spec('l: [Object.k{}] + []'), misnamed('Object.k', 'Object.spec.l')],
      [
        apply('Object{a: Object.b{c: Object.b.c{}}}'),
        `${misnamed('Object.b', 'Object.a')}\n${misnamed('Object.b.c', 'Object.a.c')}`,
      ],
      [add('Object.data{a: Object.data.b{}}'), misnamed('Object.data.b', 'Object.data.a')],
    ];
    for (const [index, [mutation, problem]] of rows.entries()) {
      await define(`p${index}`, [mutation]);
      const { status, object } = await create();
      assert.equal(status, 403, JSON.stringify(mutation));
      const denied = `policy 'p${index}' with binding 'p${index}' denied request: `;
      assert.equal(object.message, `${denied}type mismatch: ${problem}`);
      assert.equal(object.reason, 'Invalid');
      await server.ask('DELETE', policies);
    }
    await define('joined', [spec('l: [Object.k{}] + [Object.k{}]')]);
    assert.ok((await create()).object.message.endsWith(undeclared), 'joined lists are not looked at');
    await server.ask('DELETE', policies);
    await define('lenient', [rows[0]![0], apply('Object{data: {"b": "2"}}')], { failurePolicy: 'Ignore' });
    assert.deepEqual((await create()).object.data, { a: '1', b: '2' });
    await server.ask('DELETE', policies);
    await define('list', [
      patch('[JSONPatch{op: "test", path: "/data", value: [Object.data{a: Object.x{}}]}]'),
    ]);
    assert.equal((await create()).status, 201, 'of values of patches, lists are not looked at');
  });

  test('a patch whose fields turn out to be no strings refuses the request in upstream’s words', async () => {
    const rows = [
      ['op: dyn(1), path: "/data/x"', 'int64', 'op'],
      ['op: dyn(1u), path: "/data/x"', 'uint64', 'op'],
      ['op: "add", path: dyn(1.5)', 'float64', 'path'],
      ['op: "add", path: dyn(null)', 'structpb.NullValue', 'path'],
      ['op: "copy", from: dyn(true), path: "/data/x"', 'bool', 'from'],
      ['op: "copy", from: dyn(duration("1s")), path: "/data/x"', 'time.Duration', 'from'],
      ['op: "copy", from: dyn(timestamp("2026-01-01T00:00:00Z")), path: "/data/x"', 'time.Time', 'from'],
      ['op: "copy", from: dyn(b"a"), path: "/data/x"', '[]uint8', 'from'],
      ['op: "copy", from: dyn(["a"]), path: "/data/x"', '[]ref.Val', 'from'],
      ['op: "copy", from: dyn({"a": "b"}), path: "/data/x"', 'map[ref.Val]ref.Val', 'from'],
    ] as const;
    for (const [index, [fields, type, field]] of rows.entries()) {
      const expression = `[JSONPatch{${fields}}]`;
      await define(`odd${index}`, [patch(expression)]);
      const { status, object } = await create();
      assert.equal(status, 403, fields);
      const denied = `policy 'odd${index}' with binding 'odd${index}' denied request: `;
      const problem = `unexpected type ${type} for JSONPatchType '${field}' field`;
      assert.equal(object.message, `${denied}expression '${expression}' resulted in error: ${problem}`);
      await server.ask('DELETE', policies);
    }
    await define('empty', [patch('[JSONPatch{path: "/data/x"}]')]);
    assert.ok((await create()).object.message.endsWith(' JSON Patch: Unexpected kind: '));
  });

  test('a mutation that fails refuses the request, or is passed over', async () => {
    await define('fails', [patch('[JSONPatch{op: "remove", path: "/data/none"}]')]);
    const refused = await create();
    assert.equal(refused.status, 403);
    assert.equal(refused.object.reason, 'Invalid');
    assert.match(
      refused.object.message,
      /^policy 'fails' with binding 'fails' denied request: JSON Patch: error in remove for path: /,
    );
    await server.ask('DELETE', policies);
    await define('passed', [apply('Object{bogus: 1}')], { failurePolicy: 'Ignore' });
    assert.equal((await create()).status, 201);
  });

  test('an expression that cannot be read, or gives something else, is refused when the policy is made', async () => {
    const matchConstraints = {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['pods'] }],
    };
    const rows: [object, string][] = [
      [apply('Object{metadata: '), 'compilation failed: ERROR: <input>:1:18: Syntax error: '],
      [apply('Object.spec{}'), 'must evaluate to Object but got Object.spec'],
      [apply('Spec{}'), "compilation failed: ERROR: <input>:1:5: undeclared reference to 'Spec'"],
      [
        apply('Object{?data: 1}'),
        "compilation failed: ERROR: <input>:1:15: expected type 'optional_type(int)' but found 'int'",
      ],
      [patch('[Object{}]'), 'must evaluate to list(JSONPatch) but got list(Object)'],
      [
        patch('[JSONPatch{op: 1}]'),
        "compilation failed: ERROR: <input>:1:14: expected type of field 'op' is 'string' but provided type is 'int'",
      ],
    ];
    for (const [mutation, problem] of rows) {
      const spec = { matchConstraints, reinvocationPolicy: 'Never', mutations: [mutation] };
      const { status, object } = await server.ask('POST', policies, { metadata: { name: 'broken' }, spec });
      assert.equal(status, 422);
      const [cause] = object.details.causes;
      assert.match(cause.field, /^spec\.mutations\[0\]\.(applyConfiguration|jsonPatch)\.expression$/);
      assert.ok(cause.message.includes(`: ${problem}`), cause.message);
    }
  });
});
