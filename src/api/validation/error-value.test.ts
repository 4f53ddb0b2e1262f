import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { goJson, type InnerTypeText, innerDiff, innerForm } from './error-value.ts';

const printed: [type: InnerTypeText, value: unknown, text: string][] = [
  [
    'core.Taint',
    { key: 'k', effect: 'NoSchedule' },
    '{"Key":"k","Value":"","Effect":"NoSchedule","TimeAdded":null}',
  ],
  [
    'core.ServicePort',
    { port: 80, protocol: 'TCP' },
    '{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
  ],
  // What has no inner form keeps the API's names, in the order of its type, and leaves out what is empty.
  [
    'meta.LabelSelector',
    { matchExpressions: [{ values: ['v'], operator: 'In', key: 'k' }], matchLabels: { b: '2', a: '1' } },
    '{"matchLabels":{"a":"1","b":"2"},"matchExpressions":[{"key":"k","operator":"In","values":["v"]}]}',
  ],
  ['meta.LabelSelector', undefined, 'null'],
  ['map string', { b: '<', a: '' }, '{"a":"","b":"\\u003c"}'],
  ['[]core.Toleration', null, 'null'],
  // Called otherwise.
  [
    'core.RBDVolumeSource',
    { monitors: ['m'], image: 'i', user: 'u' },
    '{"CephMonitors":["m"],"RBDImage":"i","FSType":"","RBDPool":"","RadosUser":"u","Keyring":"","SecretRef":null,"ReadOnly":false}',
  ],
  // Lists that hold true, a schema or several.
  ['apiextensions.JSONSchemaPropsOrBool', false, '{"Allows":false,"Schema":null}'],
];
for (const [type, value, text] of printed)
  test(`${goJson(value ?? null)} as ${type} reads ${text}`, () =>
    assert.equal(goJson(innerForm(type, value)), text));

test('host namespaces of a pod are part of the inner security context', () => {
  const spec = innerForm('core.PodSpec', { hostNetwork: true, securityContext: { runAsUser: 1 } }) as {
    SecurityContext: Record<string, unknown>;
  };
  const { HostNetwork, HostPID, RunAsUser, RunAsGroup } = spec.SecurityContext;
  assert.deepEqual([HostNetwork, HostPID, RunAsUser, RunAsGroup], [true, false, 1, null]);
  assert.ok(!('HostNetwork' in spec));
});

test('metadata is embedded in the inner form of what has it', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [] } };
  const text = goJson(innerForm('core.PodTemplateSpec', template));
  assert.match(
    text,
    /^\{"labels":\{"a":"b"\},"Spec":\{"Volumes":null,"InitContainers":null,"Containers":\[\],/,
  );
});

test('a difference is one of lines of the inner form', () => {
  assert.equal(
    innerDiff('core.PersistentVolumeSource', { hostPath: { path: '/a', type: '' } }, {}),
    '@@ -1,10 +1,7 @@\n {\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n- "HostPath": {\n-  "Path": "/a",\n-  "Type": ""\n- },\n+ "HostPath": null,\n  "Glusterfs": null,\n  "NFS": null,\n  "RBD": null,\n',
  );
});

test('every type that an inner type has is known', () => {
  const file = readFileSync(new URL('../data/inner-types.json', import.meta.url), 'utf8');
  const types = JSON.parse(file) as Record<string, string>;
  for (const [name, fields] of Object.entries(types))
    for (const [type] of fields.matchAll(/\b[a-z]+\.[A-Z]\w*/g)) assert.ok(type in types, `${name}: ${type}`);
});
