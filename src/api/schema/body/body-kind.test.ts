import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../status.ts';
import { parseBody } from './body.ts';
import { checkCustomBody, checkCustomKind, checkKind } from './body-kind.ts';

function messageOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
}

test('an object is held against the kind of its path', () => {
  const service = { group: '', version: 'v1', kind: 'Service' };
  const deployment = { group: 'apps', version: 'v1', kind: 'Deployment' };
  const api = { group: 'apiregistration.k8s.io', version: 'v1', kind: 'APIService' };
  const rows: [object, typeof service, string | undefined][] = [
    [{}, service, undefined],
    [{ apiVersion: 'v1', kind: 'Service' }, service, undefined],
    [
      { apiVersion: 'v1', kind: 'Pod' },
      service,
      'Pod in version "v1" cannot be handled as a Service: converting (v1.Pod) to (core.Service): unknown conversion',
    ],
    [
      { apiVersion: 'v1', kind: 'Other' },
      service,
      'Other in version "v1" cannot be handled as a Service: no kind "Other" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
    ],
    [
      { apiVersion: 'extensions/v1beta1', kind: 'Deployment' },
      deployment,
      'the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)',
    ],
    [
      { apiVersion: 'apps/v1', kind: 'Deployment' },
      api,
      'Deployment in version "v1" cannot be handled as a APIService: no kind "Deployment" is registered for version "apps/v1" in scheme "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28"',
    ],
  ];
  for (const [object, expected, message] of rows)
    assert.equal(
      messageOf(() => checkKind({ ...object }, expected)),
      message,
      JSON.stringify(object),
    );
});

test('a body of which not even the kind can be read shows how it begins', () => {
  const rows: [string, string][] = [
    [
      '{"apiVersion":"v1","kind":5,"metadata":{}}',
      'couldn\'t get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({"apiVersion":"v1","kind":5,"m ...)',
    ],
    ['{"apiVersion":"a/b/c"}', 'unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})'],
    [
      'x{}',
      "couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of value (787b7d)",
    ],
  ];
  for (const [text, why] of rows)
    assert.equal(
      messageOf(() => parseBody(Buffer.from(text), 'json', 'Pod')),
      `the object provided is unrecognized (must be of type Pod): ${why}`,
    );
  assert.deepEqual(parseBody(Buffer.from('null'), 'json', 'Pod').value, {});
});

test('a custom resource says what it is, and stays that', () => {
  const gizmo = { group: 'e.io', version: 'v1', kind: 'Gizmo' };
  const named = { metadata: { name: 'a' } };
  const other = 'does not match the expected API version (e.io/v1)';
  const rows: [object, string | undefined][] = [
    [{ apiVersion: 'e.io/v1', kind: 'Gizmo' }, undefined],
    [{ kind: 'Gizmo' }, `the API version in the data () ${other}`],
    [{ apiVersion: 'v1', kind: 'ConfigMap' }, `the API version in the data (v1) ${other}`],
    [
      { apiVersion: 'e.io/v1', kind: 'Widget' },
      'Widget.e.io "a" is invalid: kind: Invalid value: "Widget": must be Gizmo',
    ],
  ];
  for (const [object, message] of rows)
    assert.equal(
      messageOf(() => checkCustomBody({ ...object, ...named }, gizmo)),
      message,
    );
  assert.equal(
    messageOf(() => checkCustomKind({ apiVersion: 'v2', kind: 'Gizmo', ...named }, gizmo)),
    'Gizmo "a" is invalid: apiVersion: Invalid value: "v2": must be e.io/v1',
  );
});
