import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applySchemaDefaults } from './defaults.ts';

function defaulted(definition: string, object: object): object {
  applySchemaDefaults(`io.k8s.api.core.v1.${definition}`, object);
  return object;
}

test('a zero value is a default where a pointer distinguishes it from none', () => {
  assert.deepEqual(defaulted('GRPCAction', { port: 80 }), { port: 80, service: '' });
  assert.deepEqual(defaulted('GRPCAction', { port: 80, service: 's' }), { port: 80, service: 's' });
  const disk = { diskName: 'd', diskURI: 'u' };
  assert.equal((defaulted('AzureDiskVolumeSource', { ...disk }) as { readOnly?: boolean }).readOnly, false);
});

test('anywhere else a zero value is none', () => {
  assert.deepEqual(defaulted('LocalObjectReference', {}), {});
  assert.deepEqual(defaulted('ContainerPort', { containerPort: 80 }), { containerPort: 80, protocol: 'TCP' });
});
