import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../resources.gen.ts';
import { computePodLimits, computePodRequests, exactAmounts, numericAmounts } from './pod-resources.ts';
import { formatQuantity } from './quantity.ts';

const container = (name: string, cpu?: string, more: object = {}) => ({
  name,
  ...(cpu && { resources: { requests: { cpu }, limits: { cpu } } }),
  ...more,
});
const pod = (spec: object, status: object = {}) => ({ metadata: { name: 'p' }, spec, status }) as Pod;
const cpuOf = (subject: Pod, options = {}) => computePodRequests(subject, numericAmounts, options).get('cpu');

test('containers add up', () => {
  assert.equal(cpuOf(pod({ containers: [container('a', '100m'), container('b', '1')] })), 1100);
});
test('a hungry init container counts instead of the containers, not on top of them', () => {
  const spec = { initContainers: [container('i', '2')], containers: [container('a', '500m')] };
  assert.equal(cpuOf(pod(spec)), 2000);
});
test('sidecars count with the containers, and with the init containers after them', () => {
  const spec = {
    initContainers: [container('s', '300m', { restartPolicy: 'Always' }), container('i', '1')],
    containers: [container('a', '500m')],
  };
  assert.equal(cpuOf(pod(spec)), 1300);
});
test('pod-level amounts replace the sum, and overhead comes on top', () => {
  const spec = {
    resources: { requests: { cpu: '2' } },
    overhead: { cpu: '250m', memory: '1Mi' },
    containers: [container('a', '500m')],
  };
  assert.equal(cpuOf(pod(spec)), 2250);
  assert.equal(computePodLimits(pod(spec), numericAmounts).has('memory'), false);
});
test('defaults count only for containers that name nothing', () => {
  const spec = { containers: [container('a', '500m'), container('b')] };
  assert.equal(cpuOf(pod(spec), { containerDefaults: { cpu: '100m' } }), 600);
});
test('a container that holds more than its spec asks for counts with what it holds', () => {
  const status = { containerStatuses: [{ name: 'a', resources: { requests: { cpu: '2' } } }] };
  const subject = pod({ containers: [container('a', '500m')] }, status);
  assert.equal(cpuOf(subject), 500);
  assert.equal(cpuOf(subject, { useStatus: true }), 2000);
});
test('requests that a node can never grant do not count', () => {
  const status = {
    conditions: [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }],
    containerStatuses: [{ name: 'a', resources: { requests: { cpu: '2' } } }],
  };
  assert.equal(cpuOf(pod({ containers: [container('a', '500')] }, status), { useStatus: true }), 2000);
});
test('a pod whose resize as a whole is under way counts with the more of both, unless it can never have that', () => {
  const resources = { requests: { cpu: '500m' } };
  const status = { resources: { requests: { cpu: '2' } }, allocatedResources: { cpu: '1' } };
  const subject = pod({ containers: [container('a', '100m')], resources }, status);
  assert.equal(cpuOf(subject), 500);
  assert.equal(cpuOf(subject, { useStatus: true }), 2000);
  const grown = { requests: { cpu: '64' } };
  const pending = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' };
  const refused = pod(
    { containers: [container('a', '100m')], resources: grown },
    { ...status, conditions: [pending] },
  );
  assert.equal(cpuOf(refused, { useStatus: true }), 2000);
});

test('exact amounts stay exact', () => {
  const spec = { containers: [container('a', '1m'), container('b', '100u')] };
  assert.equal(formatQuantity(computePodRequests(pod(spec), exactAmounts).get('cpu')!), '1100u');
});
