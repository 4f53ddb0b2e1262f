import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { configMap, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';

suite('odd requests', () => {
  let server: TestServer;

  before(async () => {
    server = await createTestServer();
  });
  after(() => server[Symbol.asyncDispose]());

  test('a namespace that is being deleted stays until it is empty, however often it is deleted', async () => {
    const url = '/api/v1/namespaces/going';
    await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'going' } });
    for (let round = 0; round < 3; round++) {
      const { status, object } = await server.ask('DELETE', url);
      assert.deepEqual([status, object.kind, object.status.phase], [200, 'Namespace', 'Terminating']);
    }
    const finalized = { metadata: { name: 'going' }, spec: {} };
    assert.equal((await server.ask('PUT', `${url}/finalize`, finalized)).status, 200);
    assert.equal((await server.ask('GET', url)).status, 404);
  });

  test('the query of a delete may say which object is meant, and who manages fields is no matter', async () => {
    const url = `${configMaps}/meant`;
    const { object } = await server.ask('POST', configMaps, configMap('meant', {}, { meant: 'yes' }));
    const { uid, resourceVersion } = object.metadata;
    for (const other of ['uid=another', `uid=${uid}&resourceVersion=1`, 'resourceVersion=1'])
      assert.equal((await server.ask('DELETE', `${url}?${other}`)).status, 409, other);
    const all = `${configMaps}?labelSelector=meant%3Dyes&uid=another`;
    assert.equal((await server.ask('DELETE', all)).status, 409);
    assert.equal((await server.ask('DELETE', `${url}?fieldManager=%0a&dryRun=All`)).status, 200);
    const same = `${url}?uid=${uid}&resourceVersion=${resourceVersion}`;
    assert.equal((await server.ask('DELETE', same)).status, 200);
  });

  test("a namespace's phase follows its deletion alone", async () => {
    await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'phase' } });
    const body = { metadata: { name: 'phase' }, status: { phase: 'Terminating' } };
    const { object } = await server.ask('PUT', '/api/v1/namespaces/phase/status', body);
    assert.equal(
      object.message,
      'Namespace "phase" is invalid: status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
    );
  });

  test('an autoscaler with an empty list of policies is refused, and one without the list has the default ones', async () => {
    const url = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
    const autoscaler = (scaleDown: object) => ({
      metadata: { name: 'a' },
      spec: { scaleTargetRef, maxReplicas: 2, behavior: { scaleDown } },
    });
    const refused = await server.ask('POST', url, autoscaler({ policies: [] }));
    assert.equal(
      refused.object.message,
      'HorizontalPodAutoscaler.autoscaling "a" is invalid: spec.behavior.scaleDown.policies: Required value: must specify at least one Policy',
    );
    const { object } = await server.ask('POST', url, autoscaler({}));
    const percent = { type: 'Percent', value: 100, periodSeconds: 15 };
    assert.deepEqual(object.spec.behavior.scaleDown.policies, [percent]);
  });

  test('cluster-scoped objects lose a namespace that a client gave them', async () => {
    const made = await server.ask('POST', '/api/v1/nodes', { metadata: { name: 'n', namespace: 'x' } });
    assert.deepEqual([made.status, made.object.metadata.namespace], [201, undefined]);
  });

  test('a get of one object does not watch it', async () => {
    await server.ask('POST', configMaps, configMap('one'));
    assert.equal((await server.ask('GET', `${configMaps}/one?watch=1`)).object.metadata.name, 'one');
  });

  test('a list refuses a timeout or a limit that is no number, an empty one too', async () => {
    for (const [query, text] of [
      ['timeoutSeconds=x', 'x'],
      ['timeoutSeconds=', ''],
      ['limit=', ''],
    ]) {
      const { status, object } = await server.ask('GET', `${configMaps}?${query}`);
      assert.deepEqual(
        [status, object.message],
        [400, `strconv.ParseInt: parsing "${text}": invalid syntax`],
      );
    }
  });

  test('the root names the paths that lead somewhere', async () => {
    const { object } = await server.ask('GET', '/');
    for (const path of ['/api', '/api/v1', '/apis/apps/v1', '/healthz', '/version', '/openapi/v2'])
      assert.ok(object.paths.includes(path), path);
  });

  test("unknown groups and wrong methods are refused in upstream's words", async () => {
    assert.equal((await server.ask('GET', '/apis/bogus')).object, '404 page not found\n');
    assert.equal((await server.ask('GET', '/apis/bogus/v1')).object, '404 page not found\n');
    assert.equal((await server.ask('GET', '/apis/apps/v9')).object.reason, 'NotFound');
    assert.equal((await server.ask('POST', '/api')).status, 405);
  });

  test('a collection is emptied in one namespace, never in all', async () => {
    await server.ask('POST', configMaps, configMap('spared'));
    assert.equal((await server.ask('DELETE', '/api/v1/configmaps')).status, 405);
    assert.equal((await server.ask('GET', `${configMaps}/spared`)).status, 200);
  });

  test('of a collection to empty, what it is is read before how it is emptied', async () => {
    const both = `${configMaps}?resourceVersionMatch=Exact&propagationPolicy=Odd`;
    assert.match(
      (await server.ask('DELETE', both)).object.message,
      /^ListOptions\.meta\.k8s\.io "" is invalid/,
    );
  });

  test('an object created by a dry run has no resourceVersion', async () => {
    const { object } = await server.ask('POST', `${configMaps}?dryRun=All`, configMap('dry'));
    assert.equal(object.metadata.resourceVersion, undefined);
    assert.ok(object.metadata.uid);
  });

  test('a version of an object to be created is refused last, after what else is wrong with it', async () => {
    const numbered = (name: string) => ({ metadata: { name, resourceVersion: '7' } });
    const refused = await server.ask('POST', configMaps, numbered('numbered'));
    assert.equal(refused.status, 500);
    assert.equal(refused.object.message, 'resourceVersion should not be set on objects to be created');
    assert.equal((await server.ask('POST', configMaps, numbered('Not_A_Name'))).status, 422);
  });

  test('a version of an object to be changed is a number, however it is written', async () => {
    const changed = async (resourceVersion: string) => {
      const { status, object } = await server.ask('PUT', `${configMaps}/numbered`, {
        metadata: { name: 'numbered', resourceVersion },
      });
      return [status, object.message];
    };
    await server.ask('POST', configMaps, configMap('numbered'));
    assert.deepEqual(await changed('x'), [500, 'strconv.ParseUint: parsing "x": invalid syntax']);
    const tooLarge = '18446744073709551616';
    assert.deepEqual(await changed(tooLarge), [
      500,
      `strconv.ParseUint: parsing "${tooLarge}": value out of range`,
    ]);
    assert.equal((await changed('00'))[0], 200);
    assert.equal((await changed('01'))[0], 409);
  });

  test('an object keeps its creation time, and clients cannot set its deletion time', async () => {
    const { object } = await server.ask('POST', configMaps, configMap('dated'));
    const merge = 'application/merge-patch+json';
    const patch = (metadata: object) => server.ask('PATCH', `${configMaps}/dated`, { metadata }, merge);
    const made = await patch({ creationTimestamp: '2020-01-01T00:00:00Z' });
    assert.deepEqual(
      [made.status, made.object.metadata.creationTimestamp],
      [200, object.metadata.creationTimestamp],
    );
    const deleted = await patch({ deletionTimestamp: '2020-01-01T00:00:00Z' });
    assert.equal(
      deleted.object.message,
      'ConfigMap "dated" is invalid: metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable',
    );
  });

  const oddQueries: [method: string, query: string, status: number, message: RegExp][] = [
    [
      'GET',
      'resourceVersion=x',
      400,
      /^invalid resource version: resourceVersion: Invalid value: "x": strconv/,
    ],
    ['GET', 'limit=99999999999999999999', 400, /^strconv\.ParseInt: parsing "9+": value out of range$/],
    [
      'GET',
      'limit=1&continue=abc',
      400,
      /continue key is not valid: invalid character '.' looking for beginning of value$/,
    ],
    ...(
      [
        [
          { v: 'meta.k8s.io/v2', rv: 1, start: 'a' },
          /server does not recognize this encoded version "meta\.k8s\.io\/v2"$/,
        ],
        [{}, /server does not recognize this encoded version ""$/],
        [{ v: 'meta.k8s.io/v1', rv: 1, start: '../x' }, /continue key is not valid: "\.\.\/x"$/],
      ] as const
    ).map(([token, message]): [string, string, number, RegExp] => [
      'GET',
      `continue=${Buffer.from(JSON.stringify(token)).toString('base64url')}`,
      400,
      message,
    ]),
    [
      'GET',
      'watch=1&continue=abc&sendInitialEvents=true&resourceVersionMatch=NotOlderThan',
      422,
      /resourceVersionMatch is forbidden when continue is provided$/,
    ],
    [
      'GET',
      'watch=1&resourceVersionMatch=Exact',
      422,
      /\[.* is forbidden for watch unless sendInitialEvents is provided, .*supported values: "NotOlderThan"\]$/,
    ],
    [
      'GET',
      'resourceVersion=x&continue=abcde',
      400,
      /continue key is not valid: illegal base64 data at input byte 4$/,
    ],
    [
      'GET',
      'resourceVersionMatch=Exact&continue=abc',
      422,
      /\[.* is forbidden unless resourceVersion is provided, .* is forbidden when continue is provided\]$/,
    ],
    [
      'GET',
      'resourceVersion=1&resourceVersionMatch=F',
      422,
      /supported values: "Exact", "NotOlderThan", ""$/,
    ],
    [
      'POST',
      'fieldValidation=x',
      422,
      /^CreateOptions\.meta\.k8s\.io "" is invalid: fieldValidation: Unsupported/,
    ],
    ['POST', 'dryRun=', 422, /supported values: "All"$/],
    ['DELETE', 'propagationPolicy=', 422, /: propagationPolicy: Unsupported value: "": supported values/],
    ['DELETE', 'propagationPolicy=x', 422, /supported values: "Foreground", "Background", "Orphan", "nil"$/],
  ];
  test('an export is refused, unless it is not wanted', async () => {
    const { status, object } = await server.ask('GET', `${configMaps}/none?export=true`);
    assert.equal(status, 400);
    assert.equal(object.message, 'the export parameter, deprecated since v1.14, is no longer supported');
    assert.equal((await server.ask('GET', `${configMaps}/none?export=false`)).status, 404);
  });

  for (const [method, query, status, message] of oddQueries)
    test(`${method} with ${query} is refused`, async () => {
      const answer = await server.ask(
        method as 'GET',
        `${configMaps}?${query}`,
        method === 'POST' ? configMap('odd') : undefined,
      );
      assert.equal(answer.status, status);
      assert.match(answer.object.message, message);
    });

  test('for an unknown path the mux answers in plain text', async () => {
    const answer = await server.transport.send({ method: 'GET', path: '/nope' });
    assert.equal(answer.status, 404);
  });

  test('the options of a delete are read by their types', async () => {
    const path = `${configMaps}/options`;
    await server.ask('POST', configMaps, configMap('options'));
    const refused: [unknown, RegExp][] = [
      [
        { gracePeriodSeconds: 1.5 },
        /cannot unmarshal number 1\.5 into Go .*gracePeriodSeconds of type int64/,
      ],
      [{ gracePeriodSeconds: '5' }, /cannot unmarshal string into Go .*gracePeriodSeconds of type int64/],
      [{ orphanDependents: 'false' }, /cannot unmarshal string into Go .*orphanDependents of type bool/],
      [{ preconditions: 'x' }, /cannot unmarshal string into Go .*preconditions/],
      [{ dryRun: 'All' }, /cannot unmarshal string into Go .*dryRun of type \[\]string/],
      [[], /cannot unmarshal array into Go/],
    ];
    for (const [options, message] of refused) {
      const { status, object } = await server.ask('DELETE', path, options);
      assert.deepEqual([status, message.test(object.message)], [400, true], object.message);
    }
    // As clients write what they leave out.
    const empty = {
      propagationPolicy: null,
      orphanDependents: null,
      dryRun: null,
      preconditions: { uid: null },
    };
    assert.equal((await server.ask('DELETE', path, empty)).status, 200);
  });

  test('booleans of the query are true in whatever way they are written, unless they are false or 0', async () => {
    for (const [written, orphans] of [
      ['true', true],
      ['True', true],
      ['1', true],
      ['', true],
      ['False', false],
      ['0', false],
    ] as const) {
      const path = `${configMaps}/boolean`;
      await server.ask('POST', configMaps, configMap('boolean'));
      await server.ask('DELETE', `${path}?orphanDependents=${written}`);
      const left = await server.ask('GET', path);
      assert.deepEqual(left.object.metadata?.finalizers, orphans ? ['orphan'] : undefined, written);
      const merge = 'application/merge-patch+json';
      if (orphans) await server.ask('PATCH', path, { metadata: { finalizers: null } }, merge);
      assert.equal((await server.ask('GET', path)).status, 404, written);
    }
  });
});
