import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutatingAdmissionPolicyKind, validatingAdmissionPolicyKind } from './admission-policy.ts';
import {
  mutatingAdmissionPolicyBindingKind,
  validatingAdmissionPolicyBindingKind,
} from './admission-policy-binding.ts';
import {
  mutatingWebhookConfigurationKind,
  validatingWebhookConfigurationKind,
} from './webhook-configuration.ts';

for (const kind of [
  mutatingAdmissionPolicyBindingKind,
  mutatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  validatingAdmissionPolicyKind,
  mutatingWebhookConfigurationKind,
  validatingWebhookConfigurationKind,
])
  test(`a ${kind.type.kind} named as if it came from a file is warned of, when it is new and later`, () => {
    const named = (name: string) => ({ metadata: { name } }) as never;
    const warning =
      'metadata.name: names ending with ".static.k8s.io" are reserved for static manifest-based configurations and cannot be managed via the API';
    const object = named('a.static.k8s.io');
    assert.deepEqual([...kind.warnings!(object, undefined)], [warning]);
    assert.deepEqual([...kind.warnings!(object, object)], [warning]);
    assert.deepEqual([...kind.warnings!(named('static.k8s.io'), undefined)], []);
  });
