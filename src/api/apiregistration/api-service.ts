/** APIServices: parts of the API that other servers answer. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { APIService } from '../resources.gen.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor, portProblems } from '../validation/fields.ts';
import { dns1035LabelProblems, pathSegmentProblems, subdomainProblems } from '../validation/names.ts';

const groupPriorityMax = 20000;
const versionPriorityMax = 1000;

export const apiServiceKind = defineKind(APIService, {
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  status: 'separate',
  requiresVersionOnUpdate: true,
  columns: [
    nameColumn,
    column('Service', ({ spec }) =>
      spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local',
    ),
    column('Available', availableCell),
    ageColumn,
  ],
  validateName: (name, field) => invalidFor(field, name, pathSegmentProblems(name)),
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareCreate(service) {
    // Local ones always work.
    const lastTransitionTime = service.metadata.creationTimestamp;
    service.status = service.spec?.service
      ? {}
      : { conditions: [{ ...locallyAvailable, ...(lastTransitionTime && { lastTransitionTime }) }] };
  },
  *validate(service, { subresource }) {
    if (subresource !== 'status') yield* validateService(service);
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'apiregistration.k8s.io/v1 APIService' },
    },
  ],
});

const locallyAvailable = {
  type: 'Available',
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};

function* validateService({ metadata, spec }: APIService): FieldErrors {
  if (!spec) {
    yield required('spec');
    return;
  }
  const { group = '', version = '', service, caBundle, insecureSkipTLSVerify } = spec;
  const expected = `${version}.${group}`;
  const { name = '' } = metadata;
  // An invalid name has been reported already.
  if (name && pathSegmentProblems(name).length === 0 && name !== expected)
    yield invalidValue(
      'metadata.name',
      metadata.name,
      `must be \`spec.version+"."+spec.group\`: "${expected}"`,
    );
  if (group) yield* invalidFor('spec.group', group, subdomainProblems(group));
  else if (version !== 'v1')
    yield required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  yield* invalidFor('spec.version', version, dns1035LabelProblems(version));
  const { groupPriorityMinimum: groupPriority, versionPriority } = spec;
  if (!(groupPriority > 0 && groupPriority <= groupPriorityMax))
    yield invalidValue(
      'spec.groupPriorityMinimum',
      groupPriority ?? 0,
      `must be positive and less than ${groupPriorityMax}`,
    );
  if (!(versionPriority > 0 && versionPriority <= versionPriorityMax))
    yield invalidValue(
      'spec.versionPriority',
      versionPriority ?? 0,
      `must be positive and less than ${versionPriorityMax}`,
    );
  if (!service) {
    if (caBundle)
      yield invalidValue(
        'spec.caBundle',
        `${caBundle.length} bytes`,
        'local APIServices may not have a caBundle',
      );
    if (insecureSkipTLSVerify)
      yield invalidValue(
        'spec.insecureSkipTLSVerify',
        true,
        'local APIServices may not have insecureSkipTLSVerify',
      );
    return;
  }
  if (!service.namespace) yield required('spec.service.namespace');
  if (!service.name) yield required('spec.service.name');
  if (service.port !== undefined)
    for (const problem of portProblems(service.port))
      yield invalidValue('spec.service.port', service.port, `port is not valid: ${problem}`);
  if (insecureSkipTLSVerify && caBundle)
    yield invalidValue('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
}

function availableCell({ status }: APIService): string {
  const available = (status?.conditions ?? []).find(({ type }) => type === 'Available');
  if (!available) return 'Unknown';
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason})`;
}
