import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { asKubeObject, decode } from '../schema/decode.ts';
import { builtinKinds } from './builtin-kinds.ts';
import { randomResource } from './random-resource.fake.ts';

const rounds = 100;

// biome-ignore lint/suspicious/noExplicitAny: the objects are of any kind, and random
type Fields = Record<string, any>;

/** What a server would have filled in, and what an old version can say in two ways: put in the form that comes back. */
const normalize: Record<string, (object: Fields) => void> = {
  'apiextensions.k8s.io/v1beta1 CustomResourceDefinition'({ spec }) {
    // What all versions share is in the spec; `version` names the first version.
    spec.versions = [{ name: 'v1', served: true, storage: true }];
    spec.version = 'v1';
    spec.preserveUnknownFields = true;
    if (spec.conversion) spec.conversion.conversionReviewVersions ??= ['v1beta1'];
  },
  'autoscaling/v1 HorizontalPodAutoscaler'({ spec }) {
    spec.targetCPUUtilizationPercentage ??= 80;
  },
  'resource.k8s.io/v1beta1 ResourceSlice'({ spec }) {
    for (const device of spec?.devices ?? []) device.basic ??= {};
  },
  'certificates.k8s.io/v1beta1 CertificateSigningRequest'({ spec }) {
    spec.signerName ??= 'example.com/s';
  },
  'rbac.authorization.k8s.io/v1alpha1 RoleBinding': alphaSubjects,
  'rbac.authorization.k8s.io/v1alpha1 ClusterRoleBinding': alphaSubjects,
  'autoscaling/v2beta1 HorizontalPodAutoscaler'({ spec, status }) {
    for (const metric of spec?.metrics ?? []) {
      // One of the two stands for the other.
      if (metric.resource?.targetAverageUtilization === undefined && metric.resource)
        metric.resource.targetAverageValue ??= '0';
      const container = metric.containerResource;
      if (container?.targetAverageUtilization === undefined && container)
        container.targetAverageValue ??= '0';
      // The metric on cpu utilization is listed last.
      if (metric.resource) metric.resource.name = 'memory';
    }
    if (!status) return;
    status.currentMetrics ??= null;
    status.conditions ??= null;
  },
};

function alphaSubjects({ subjects }: Fields): void {
  for (const subject of subjects ?? []) {
    subject.kind = 'User';
    subject.apiVersion = 'rbac.authorization.k8s.io/v1alpha1';
  }
}

for (const kind of builtinKinds)
  for (const served of kind.versions) {
    const name = `${served.group || 'core'}/${served.version} ${kind.type.kind}`;
    test(`${name} goes to the stored version and back without loss`, () => {
      const random = seededRandom(7);
      for (let round = 0; round < rounds; round++) {
        const object = randomResource(served.schema, () => random.next());
        normalize[name]?.(object as Fields);
        const before = decode(served.schema, structuredClone(object)).object;
        const stored = served.toStored(asKubeObject(structuredClone(before)));
        const { object: kept, problems } = decode(kind.schema, structuredClone(stored));
        assert.deepEqual(problems, [], `what the stored version does not know: ${JSON.stringify(stored)}`);
        const back = served.fromStored(asKubeObject(structuredClone(kept)));
        assert.deepEqual(decode(served.schema, back).object, before);
      }
    });
  }

/** What old versions cannot say and nobody means: such objects are not valid, or a server fills them in. */
const unconvertible = new Set([
  // Requests that ask for nothing, backends with a port by name and by number, subjects of unknown groups.
  'resource.k8s.io/v1beta1 ResourceClaim',
  'resource.k8s.io/v1beta1 ResourceClaimTemplate',
  'networking.k8s.io/v1beta1 Ingress',
  'extensions/v1beta1 Ingress',
  'rbac.authorization.k8s.io/v1alpha1 RoleBinding',
  'rbac.authorization.k8s.io/v1alpha1 ClusterRoleBinding',
  // Without metrics there is one by default; metrics of several types at once.
  'autoscaling/v1 HorizontalPodAutoscaler',
  'autoscaling/v2beta1 HorizontalPodAutoscaler',
  // Null shares.
  'flowcontrol.apiserver.k8s.io/v1beta3 PriorityLevelConfiguration',
]);

for (const kind of builtinKinds)
  for (const served of kind.versions) {
    const name = `${served.group || 'core'}/${served.version} ${kind.type.kind}`;
    if (unconvertible.has(name)) continue;
    test(`what is stored goes to ${name} and back without loss`, () => {
      const random = seededRandom(7);
      for (let round = 0; round < rounds; round++) {
        const before = decode(
          kind.schema,
          randomResource(kind.schema, () => random.next()),
        ).object;
        const old = served.fromStored(asKubeObject(structuredClone(before)));
        const { object: shown } = decode(served.schema, structuredClone(old));
        const back = served.toStored(asKubeObject(structuredClone(shown)));
        assert.deepEqual(decode(kind.schema, back).object, before);
      }
    });
  }
