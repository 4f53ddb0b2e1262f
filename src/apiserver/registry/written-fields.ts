/**
 * Which fields each endpoint writes, where upstream deviates from the rule: the object everything but the status,
 * `status` everything but the spec, and of custom resources not their metadata either.
 */
import type { WrittenFields } from '../../api/schema/fields/written-fields.ts';
import type { ServedResource } from './kind-registry.ts';

const all: WrittenFields = {};
const notStatus: WrittenFields = { resetFields: [['status']] };
const notSpec: WrittenFields = { resetFields: [['spec']] };
const onlyStatus: WrittenFields = { resetFields: [['metadata'], ['spec']] };

/** By plural and subresource, of the API's own groups. */
const exceptions: Readonly<Record<string, WrittenFields>> = {
  'apiservices/status': onlyStatus,
  'certificatesigningrequests/': { resetFields: [['spec'], ['status']] },
  'certificatesigningrequests/approval': { resetFields: [['spec'], ['status', 'certificate']] },
  'certificatesigningrequests/status': { resetFields: [['spec'], ['status', 'conditions']] },
  'customresourcedefinitions/status': onlyStatus,
  'deployments/status': { resetFields: [['spec'], ['metadata', 'labels']] },
  'flowschemas/status': onlyStatus,
  'namespaces/finalize': notStatus,
  'pods/ephemeralcontainers': { onlyFields: [['spec', 'ephemeralContainers']] },
  'pods/resize': {
    onlyFields: ['containers', 'initContainers'].flatMap((list) =>
      ['resources', 'resizePolicy'].map((field) => ['spec', list, '*', field]),
    ),
  },
  'pods/status': {
    resetFields: [['spec'], ['metadata', 'deletionTimestamp'], ['metadata', 'ownerReferences']],
  },
  'prioritylevelconfigurations/status': onlyStatus,
  'resourceclaims/status': onlyStatus,
  'volumeattachments/status': onlyStatus,
};

export function writtenFieldsOf(
  { plural, definition, isCustom }: Pick<ServedResource, 'plural' | 'definition' | 'isCustom'>,
  subresource: string,
): WrittenFields {
  const exception = isCustom ? undefined : exceptions[`${plural}/${subresource}`];
  if (exception) return exception;
  if (subresource === 'status') return isCustom ? onlyStatus : notSpec;
  return definition.status === 'separate' && subresource === '' ? notStatus : all;
}
