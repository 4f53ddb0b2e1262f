import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../../pod.fixture.ts';
import { podResourcesStatus } from './pod-resources-status.ts';

const requests = { cpu: '100m', memory: '64Mi', 'ephemeral-storage': '1Gi' };
const container = (name: string, resources: object = {}) => ({ name, image: 'img:1', resources });
const reported = (spec: object, phase: 'Pending' | 'Running') => {
  const pod = testPod(spec);
  return podResourcesStatus(pod, pod, phase);
};

test('the requests of containers add up in the status of the pod', () => {
  const spec = { containers: [container('a', { requests }), container('b', { requests: { cpu: '50m' } })] };
  const all = { cpu: '150m', memory: '64Mi', 'ephemeral-storage': '1Gi' };
  assert.deepEqual(reported(spec, 'Pending'), { allocatedResources: all, resources: { requests: all } });
  assert.deepEqual(reported(spec, 'Running'), {
    allocatedResources: all,
    resources: { requests: { cpu: '150m', memory: '64Mi' } },
  });
  assert.deepEqual(reported({}, 'Running'), { resources: {} });
});

test('a running pod is limited where each of its containers is', () => {
  const limits = { cpu: '200m', memory: '128Mi' };
  const one = { containers: [container('a', { requests, limits }), container('b')] };
  assert.deepEqual(reported(one, 'Pending').resources?.limits, limits);
  assert.equal(reported(one, 'Running').resources?.limits, undefined);
  const both = { containers: [container('a', { limits }), container('b', { limits: { memory: '1Mi' } })] };
  assert.deepEqual(reported(both, 'Running').resources?.limits, { memory: '129Mi' });
});

test('pod-level resources take precedence over those of the containers', () => {
  const resources = { requests: { cpu: '1' }, limits: { cpu: '2', memory: '1Gi' } };
  const spec = { resources, containers: [container('a', { requests }), container('b')] };
  assert.deepEqual(reported(spec, 'Running').resources, {
    requests: { cpu: '1', memory: '64Mi' },
    limits: { cpu: '2', memory: '1Gi' },
  });
});
