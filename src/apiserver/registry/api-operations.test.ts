/** What conformance asks of every stable built-in resource: each of its verbs, and those of its status and scale. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { APIGroupList, APIResource, APIResourceList } from '../../api/types/meta-v1.gen.ts';
import { type Answer, createTestServer, mergePatch, type TestServer } from '../server.fixture.ts';
import { type Sample, samples } from './samples.fixture.ts';

/** The server itself writes their status as soon as it sees them. */
const statusIsTheServers = new Set([
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
]);

const approval = { type: 'Approved', status: 'True', reason: 'Test' };

interface Resource extends APIResource {
  group: string;
  version: string;
  subresources: ReadonlyMap<string, readonly string[]>;
}

const strategicPatch = 'application/strategic-merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const applyPatch = 'application/apply-patch+yaml';
const namespace = 'default';
/** Kept in the definitions of other tests: what they need is more than a sample. */
const elsewhere = new Set([
  'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices',
]);

const server = await createTestServer();
await server.ask('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
  metadata: { name: 'default' },
});
const resources = await stableResources(server);
after(() => server[Symbol.asyncDispose]());

async function stableResources({ ask }: TestServer): Promise<Resource[]> {
  const groups = (await ask('GET', '/apis')).object as APIGroupList;
  const versions = groups.groups.flatMap(({ name, versions }) =>
    versions.map(({ version }) => ({ group: name, version, path: `/apis/${name}/${version}` })),
  );
  const stable = [{ group: '', version: 'v1', path: '/api/v1' }, ...versions].filter(({ version }) =>
    /^v\d+$/.test(version),
  );
  const found: Resource[] = [];
  for (const { group, version, path } of stable) {
    const list = (await ask('GET', path)).object as APIResourceList;
    for (const resource of list.resources) {
      if (resource.name.includes('/') || !resource.verbs.includes('create')) continue;
      if (!resource.verbs.includes('list')) continue; // reviews and bindings are questions, not objects
      const prefix = `${resource.name}/`;
      const subresources = new Map(
        list.resources
          .filter(({ name }) => name.startsWith(prefix))
          .map(({ name, verbs }): [string, readonly string[]] => [name.slice(prefix.length), verbs]),
      );
      found.push({ ...resource, group, version, subresources });
    }
  }
  return found;
}

const keyOf = ({ group, name }: Resource) => `${group}/${name}`;

test('every stable resource that is stored has a sample here', () => {
  assert.ok(resources.length > 50);
  const missing = resources.map(keyOf).filter((key) => !samples[key] && !elsewhere.has(key));
  assert.deepEqual(missing, []);
});

for (const resource of resources) {
  const sample = samples[keyOf(resource)];
  if (!sample) continue;
  test(`${resource.group || 'core'}/${resource.version} ${resource.name}: every verb`, () =>
    new Operations(server, resource, sample).run());
}

/** What a write of the status leaves alone. */
function withoutStatus({
  metadata: { managedFields: _, ...metadata },
  status: __,
  ...rest
}: Answer['object']) {
  return { metadata, ...rest };
}

class Operations {
  readonly #server: TestServer;
  readonly #resource: Resource;
  readonly #sample: Sample;
  readonly #all: string;
  readonly #collection: string;
  readonly #names: readonly [string, string, string];

  constructor(server: TestServer, resource: Resource, sample: Sample) {
    this.#server = server;
    this.#resource = resource;
    this.#sample = sample;
    const { group, version, name, namespaced } = resource;
    const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
    this.#all = `${root}/${name}`;
    this.#collection = namespaced ? `${root}/namespaces/${namespace}/${name}` : this.#all;
    this.#names = sample.names ?? ['one', 'two', 'three'];
  }

  async run(): Promise<void> {
    const [first, second, third] = this.#names;
    await this.#createAndRead(first);
    const { resourceVersion } = (await this.#list()).metadata;
    await this.#createAndRead(second);
    await this.#change(first);
    if (this.#resource.subresources.has('status')) await this.#changeStatus(first);
    if (this.#resource.subresources.has('approval')) await this.#approve(first);
    if (this.#sample.isScaled) await this.#scale(first);
    await this.#applyNew(third);
    await this.#remove(first);
    await this.#removeAll([second, third]);
    await this.#replay(resourceVersion);
  }

  #object(name: string): object {
    const metadata = { name, labels: { test: 'operations' } };
    return { metadata, ...structuredClone(this.#sample.body) };
  }

  async #ask(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    type?: string,
  ) {
    const { status, object } = await this.#server.ask(method, path, body, type);
    assert.ok(status < 300, `${method} ${path}: ${status} ${object.message}`);
    // Over the local transport objects are shared.
    return structuredClone(object);
  }

  #list() {
    return this.#ask('GET', `${this.#collection}?labelSelector=test%3Doperations`);
  }

  async #createAndRead(name: string): Promise<void> {
    const path = `${this.#collection}/${name}`;
    const dry = await this.#ask('POST', `${this.#collection}?dryRun=All`, this.#object(name));
    assert.equal(dry.metadata.name, name);
    assert.equal((await this.#server.ask('GET', path)).status, 404, 'a dry run stores nothing');
    const made = await this.#ask('POST', `${this.#collection}?fieldValidation=Strict`, this.#object(name));
    assert.ok(made.metadata.uid && made.metadata.creationTimestamp && made.metadata.resourceVersion);
    const read = await this.#ask('GET', path);
    assert.deepEqual([read.metadata.uid, read.spec], [made.metadata.uid, made.spec]);
    assert.deepEqual([read.kind, read.apiVersion], this.#kind());
    const again = await this.#server.ask('POST', this.#collection, this.#object(name));
    assert.equal(again.object.reason, 'AlreadyExists');
    for (const collection of [this.#collection, this.#all]) {
      const list = await this.#ask('GET', `${collection}?fieldSelector=metadata.name%3D${name}`);
      assert.deepEqual(
        list.items.map(({ metadata }: { metadata: { uid: string } }) => metadata.uid),
        [made.metadata.uid],
      );
      assert.equal(list.kind, `${this.#resource.kind}List`);
    }
  }

  #kind(): string[] {
    const { group, version, kind } = this.#resource;
    return [kind, group ? `${group}/${version}` : version];
  }

  /** All ways of changing labels, none of which changes the object's purpose. */
  async #change(name: string): Promise<void> {
    const path = `${this.#collection}/${name}`;
    const before = await this.#ask('GET', path);
    const labelled = (value: string) => ({ metadata: { labels: { way: value } } });
    const steps: [string, () => Promise<{ metadata: { labels: Record<string, string> } }>][] = [
      ['merge', () => this.#ask('PATCH', path, labelled('merge'), mergePatch)],
      ['strategic', () => this.#ask('PATCH', path, labelled('strategic'), strategicPatch)],
      [
        'json',
        () =>
          this.#ask(
            'PATCH',
            path,
            [{ op: 'replace', path: '/metadata/labels/way', value: 'json' }],
            jsonPatch,
          ),
      ],
      [
        'update',
        async () => {
          const current = await this.#ask('GET', path);
          current.metadata.labels.way = 'update';
          return this.#ask('PUT', path, current);
        },
      ],
      [
        'apply',
        () => {
          const [kind, apiVersion] = this.#kind();
          const body = { kind, apiVersion, metadata: { name, labels: { way: 'apply' } } };
          return this.#ask('PATCH', `${path}?fieldManager=sample&force=true`, body, applyPatch);
        },
      ],
    ];
    for (const [way, step] of steps) assert.equal((await step()).metadata.labels.way, way);
    const now = await this.#ask('GET', path);
    assert.equal(now.metadata.uid, before.metadata.uid);
    assert.equal(now.metadata.generation, before.metadata.generation);
    const managers = now.metadata.managedFields.map(({ manager }: { manager: string }) => manager);
    assert.ok(managers.includes('sample'));
    const stale = await this.#server.ask('PUT', path, before);
    assert.equal(stale.object.reason, 'Conflict');
  }

  async #changeStatus(name: string): Promise<void> {
    const path = `${this.#collection}/${name}/status`;
    const { status } = this.#sample;
    assert.ok(status, 'a kind with a status has one in its sample');
    const before = await this.#ask('GET', path);
    const patched = await this.#ask('PATCH', `${path}?dryRun=All`, { status }, strategicPatch);
    assert.partialDeepStrictEqual(patched.status, status);
    assert.deepEqual(withoutStatus(patched), withoutStatus(before));
    await this.#ask('PATCH', path, { status }, mergePatch);
    const current = await this.#ask('GET', path);
    assert.partialDeepStrictEqual(current.status, status);
    current.metadata.annotations = { ...current.metadata.annotations, status: 'updated' };
    const updated = await this.#ask('PUT', path, current);
    assert.deepEqual(updated.spec, before.spec);
    assert.equal(updated.metadata.generation, before.metadata.generation);
    const [kind, apiVersion] = this.#kind();
    await this.#ask(
      'PATCH',
      `${path}?fieldManager=status&force=true`,
      { kind, apiVersion, metadata: { name } },
      applyPatch,
    );
    const object = await this.#ask('PATCH', `${this.#collection}/${name}`, { status: null }, mergePatch);
    assert.deepEqual(object.status, updated.status, 'the object itself leaves its status alone');
  }

  async #approve(name: string): Promise<void> {
    const path = `${this.#collection}/${name}/approval`;
    const change = { metadata: { annotations: { by: 'approval' } }, status: { conditions: [approval] } };
    const approved = await this.#ask('PATCH', path, change, mergePatch);
    assert.equal(approved.metadata.annotations.by, 'approval');
    assert.partialDeepStrictEqual(approved.status.conditions, [approval]);
  }

  async #scale(name: string): Promise<void> {
    const path = `${this.#collection}/${name}/scale`;
    const scale = await this.#ask('GET', path);
    assert.deepEqual([scale.kind, scale.apiVersion, scale.spec.replicas], ['Scale', 'autoscaling/v1', 1]);
    scale.spec.replicas = 2;
    assert.equal((await this.#ask('PUT', path, scale)).spec.replicas, 2);
    assert.equal((await this.#ask('PATCH', path, { spec: { replicas: 4 } }, mergePatch)).spec.replicas, 4);
    assert.equal((await this.#ask('GET', `${this.#collection}/${name}`)).spec.replicas, 4);
  }

  async #applyNew(name: string): Promise<void> {
    const [kind, apiVersion] = this.#kind();
    const path = `${this.#collection}/${name}?fieldManager=sample`;
    const made = await this.#ask('PATCH', path, { kind, apiVersion, ...this.#object(name) }, applyPatch);
    if (statusIsTheServers.has(keyOf(this.#resource))) return;
    const again = await this.#ask('PATCH', path, { kind, apiVersion, ...this.#object(name) }, applyPatch);
    assert.equal(
      again.metadata.resourceVersion,
      made.metadata.resourceVersion,
      'applying again changes nothing',
    );
  }

  async #remove(name: string): Promise<void> {
    await this.#ask('DELETE', `${this.#collection}/${name}?dryRun=All`);
    await this.#ask('DELETE', `${this.#collection}/${name}`);
    await this.#finish(name);
  }

  async #removeAll(names: readonly string[]): Promise<void> {
    const selected = `${this.#collection}?labelSelector=test%3Doperations`;
    if (this.#resource.verbs.includes('deletecollection')) await this.#ask('DELETE', selected);
    else for (const name of names) await this.#ask('DELETE', `${this.#collection}/${name}`);
    for (const name of names) await this.#finish(name);
    assert.deepEqual((await this.#list()).items, []);
  }

  /** What protects an object from being deleted in use is the controllers' to take off; there are none here. */
  async #finish(name: string): Promise<void> {
    const path = `${this.#collection}/${name}`;
    const { status, object } = await this.#server.ask('GET', path);
    if (status === 404) return;
    assert.ok(object.metadata.deletionTimestamp, `${path} is still there`);
    if (this.#resource.subresources.has('finalize'))
      await this.#ask('PUT', `${path}/finalize`, { ...object, spec: { finalizers: [] } });
    else await this.#ask('PATCH', path, { metadata: { finalizers: null } }, mergePatch);
    assert.equal((await this.#server.ask('GET', path)).status, 404);
  }

  /** A watch from before sees all of this in order. */
  async #replay(resourceVersion: string): Promise<void> {
    const stop = new AbortController();
    const query = new URLSearchParams({
      watch: 'true',
      resourceVersion,
      fieldSelector: `metadata.name=${this.#names[1]}`,
    });
    const answer = await this.#server.transport.send({
      method: 'GET',
      path: `${this.#collection}?${query}`,
      signal: stop.signal,
    });
    assert.ok('events' in answer);
    const types: string[] = [];
    for await (const { type } of answer.events) {
      types.push(type);
      if (type === 'DELETED') break;
    }
    stop.abort();
    assert.equal(types[0], 'ADDED');
    assert.ok(types.slice(1, -1).every((type) => type === 'MODIFIED'));
  }
}
