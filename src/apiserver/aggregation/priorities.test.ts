import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prioritiesOf } from './priorities.ts';

test('groups and versions of the API itself come before those of custom resources, as upstream orders them', () => {
  const rows: [group: string, version: string, groupPriority: number, versionPriority: number][] = [
    ['', 'v1', 18_000, 1],
    ['apps', 'v1', 17_800, 15],
    ['autoscaling', 'v1', 17_500, 15],
    ['autoscaling', 'v2', 17_500, 30],
    ['flowcontrol.apiserver.k8s.io', 'v1', 16_100, 21],
    ['certificates.k8s.io', 'v1beta1', 17_300, 9],
    ['authentication.k8s.io', 'v1alpha1', 17_700, 1],
    ['example.com', 'v1', 1_000, 100],
  ];
  for (const [group, version, groupPriorityMinimum, versionPriority] of rows)
    assert.deepEqual(prioritiesOf(group, version), { groupPriorityMinimum, versionPriority });
});
