import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodTemplate, ReplicationController } from '../resources.gen.ts';
import { podKind } from './pod.ts';
import { podTemplateKind } from './pod-template.ts';
import { replicationControllerKind } from './replication-controller.ts';

const labels = { a: 'b' };
const isNew = { subresource: '', isUpdate: false };

function podSpec(more: object = {}, image = 'i') {
  return { containers: [{ name: 'c', image }], ...more };
}

function templateErrors(spec: object): { ofController: string[]; ofTemplate: string[] } {
  const template = () => structuredClone({ metadata: { labels }, spec });
  const controller = {
    metadata: { name: 'x' },
    spec: { template: template() },
  } as unknown as ReplicationController;
  const podTemplate = { metadata: { name: 'x' }, template: template() } as unknown as PodTemplate;
  replicationControllerKind.defaults!(controller);
  podTemplateKind.defaults!(podTemplate);
  const texts = (errors: Iterable<{ text: string }>) => [...errors].map(({ text }) => text);
  return {
    ofController: texts(replicationControllerKind.validate(controller, isNew)),
    ofTemplate: texts(podTemplateKind.validate(podTemplate, isNew)),
  };
}

test('templates may have images with blanks around them, as old ones do, and pods may not', () => {
  assert.deepEqual(templateErrors(podSpec({}, ' i ')), { ofController: [], ofTemplate: [] });
  const pod = {
    metadata: { name: 'x' },
    spec: podSpec({ initContainers: [{ name: 'd', image: 'i\n' }] }, ' i'),
  };
  podKind.defaults!(pod as unknown as Pod);
  const why = 'must not have leading or trailing whitespace';
  assert.deepEqual(
    [...podKind.validate(pod as unknown as Pod, isNew)].map(({ text }) => text),
    [
      `spec.containers[0].image: Invalid value: " i": ${why}`,
      `spec.initContainers[0].image: Invalid value: "i\\n": ${why}`,
    ],
  );
});

test('what a replication controller makes has no deadline', () => {
  assert.deepEqual(templateErrors(podSpec({ activeDeadlineSeconds: 1 })), {
    ofController: [
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ],
    ofTemplate: [],
  });
});
