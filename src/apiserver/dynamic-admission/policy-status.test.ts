import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ValidatingAdmissionPolicy } from '../../api/resources.gen.ts';
import { createTestServer } from '../server.fixture.ts';

test('the status of a policy names the fields of its expressions that no object has', async () => {
  await using server = await createTestServer();
  const url = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  const { group, plural } = ValidatingAdmissionPolicy;
  const cache = server.api.registry.kinds.findStored(group, plural)!.cache!;
  const observed = (generation: number) =>
    new Promise<ValidatingAdmissionPolicy['status']>((resolve) => {
      const stop = cache.listen(([event]) => {
        const { status } = event!.object.object as ValidatingAdmissionPolicy;
        if ((status?.observedGeneration ?? 0) < generation) return;
        stop();
        resolve(status);
      });
    });
  const spec = (expression: string) => ({
    matchConstraints: {
      resourceRules: [
        { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['*'], resources: ['deployments'] },
        { apiGroups: ['batch'], apiVersions: ['v1'], operations: ['*'], resources: ['*'] },
        { apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] },
      ],
    },
    validations: [{ expression: 'true', messageExpression: expression }],
  });
  const first = observed(1);
  const body = { metadata: { name: 'p' }, spec: spec('string(object.spec.replica)') };
  assert.equal((await server.ask('POST', url, body)).status, 201);
  const warning = (type: string, column: number, field: string) =>
    `${type}: ERROR: <input>:1:${column}: undefined field '${field}'\n | string(object.spec.replica)\n | ${'.'.repeat(column - 1)}^\n`;
  assert.deepEqual((await first)?.typeChecking, {
    expressionWarnings: [
      {
        fieldRef: 'spec.validations[0].messageExpression',
        warning: `${warning('/v1, Kind=ConfigMap', 14, 'spec')}\n${warning('apps/v1, Kind=Deployment', 19, 'replica')}`,
      },
    ],
  });
  const second = observed(2);
  const patch = { spec: spec('string(object.metadata.name)') };
  await server.ask('PATCH', `${url}/p`, patch, 'application/merge-patch+json');
  assert.deepEqual((await second)?.typeChecking, {});
});
