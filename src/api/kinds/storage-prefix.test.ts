import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinKinds } from './builtin-kinds.ts';

test('objects lie where upstream keeps them: below their plural, but for these', () => {
  const others = builtinKinds
    .filter(({ storagePrefix, type }) => storagePrefix && storagePrefix !== type.plural)
    .map(({ storagePrefix, type }) => [type.plural, storagePrefix])
    .sort();
  assert.deepEqual(Object.fromEntries(others), {
    apiservices: 'apiregistration.k8s.io/apiservices',
    customresourcedefinitions: 'apiextensions.k8s.io/customresourcedefinitions',
    endpoints: 'services/endpoints',
    ingresses: 'ingress',
    nodes: 'minions',
    podsecuritypolicies: 'podsecuritypolicy',
    replicationcontrollers: 'controllers',
    services: 'services/specs',
  });
});
