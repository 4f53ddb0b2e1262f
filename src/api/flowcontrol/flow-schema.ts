/** FlowSchemas. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { innerForm } from '../error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import { FlowSchema } from '../resources.gen.ts';
import type {
  FlowDistinguisherMethod,
  PolicyRulesWithSubjects,
  Subject,
} from '../types/flowcontrol-v1.gen.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { validateConditionTypes } from './condition-types.ts';

const precedenceDefault = 1000;
const precedenceMax = 10000;

export const flowSchemaKind = defineKind(FlowSchema, {
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    column('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
    column('MatchingPrecedence', ({ spec }) => spec?.matchingPrecedence ?? 0),
    column('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    column(
      'MissingPL',
      ({ status }) => (status?.conditions ?? []).find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
  defaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= precedenceDefault;
  },
  prepareCreate(schema) {
    schema.status = {};
  },
  prepareStatusUpdate(schema, old) {
    schema.spec = old.spec!;
  },
  *validate({ metadata, spec, status }, { subresource }) {
    if (subresource === 'status') yield* validateConditionTypes(status?.conditions);
    if (subresource === 'status' || !spec) return;
    const precedence = spec.matchingPrecedence ?? 0;
    if (precedence <= 0)
      yield invalidValue('spec.matchingPrecedence', precedence, 'must be a positive value');
    if (precedence > precedenceMax)
      yield invalidValue('spec.matchingPrecedence', precedence, `must not be greater than ${precedenceMax}`);
    if (precedence === 1 && metadata.name !== 'exempt')
      yield invalidValue(
        'spec.matchingPrecedence',
        precedence,
        "only the schema named 'exempt' may have matchingPrecedence 1",
      );
    if (spec.distinguisherMethod) yield* validateDistinguisher(spec.distinguisherMethod);
    const level = spec.priorityLevelConfiguration?.name;
    if (!level) yield required('spec.priorityLevelConfiguration.name', 'must reference a priority level');
    else yield* invalidFor('spec.priorityLevelConfiguration.name', level, subdomainProblems(level));
    for (const [index, rule] of (spec.rules ?? []).entries())
      yield* validateRule(rule, `spec.rules[${index}]`);
  },
  versions: [
    { version: 'v1beta3', deprecation: deprecated('1.29', '1.32') },
    { version: 'v1beta2', deprecation: deprecated('1.26', '1.29') },
    { version: 'v1beta1', deprecation: deprecated('1.23', '1.26') },
  ],
});

function deprecated(since: string, removedIn: string) {
  return { since, removedIn, replacement: 'flowcontrol.apiserver.k8s.io/v1 FlowSchema' };
}

function* validateRule(rule: PolicyRulesWithSubjects, field: string): FieldErrors {
  if (!rule.subjects?.length) yield required(`${field}.subjects`, 'subjects must contain at least one value');
  for (const [index, subject] of (rule.subjects ?? []).entries())
    yield* validateSubject(subject, `${field}.subjects[${index}]`);
  if (!rule.resourceRules?.length && !rule.nonResourceRules?.length)
    yield required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [index, resources] of (rule.resourceRules ?? []).entries()) {
    const path = `${field}.resourceRules[${index}]`;
    yield* validateVerbs(resources.verbs, `${path}.verbs`);
    for (const name of ['verbs', 'apiGroups', 'resources'] as const)
      if (!resources[name]?.length)
        yield required(
          `${path}.${name}`,
          `${name === 'apiGroups' ? 'resource rules must supply at least one api group' : name === 'verbs' ? 'verbs must contain at least one value' : 'resource rules must supply at least one resource'}`,
        );
    if (!resources.namespaces?.length && !resources.clusterScope)
      yield required(
        `${path}.namespaces`,
        'resource rules that are not cluster scoped must supply at least one namespace',
      );
    yield* validateNamespaces(resources.namespaces ?? [], `${path}.namespaces`);
  }
  for (const [index, urls] of (rule.nonResourceRules ?? []).entries()) {
    const path = `${field}.nonResourceRules[${index}]`;
    yield* validateVerbs(urls.verbs, `${path}.verbs`);
    if (!urls.verbs?.length) yield required(`${path}.verbs`, 'verbs must contain at least one value');
    if (!urls.nonResourceURLs?.length)
      yield required(`${path}.nonResourceURLs`, 'nonResourceURLs must contain at least one value');
    yield* validateUrls(urls.nonResourceURLs ?? [], `${path}.nonResourceURLs`);
  }
}

function* validateUrls(urls: readonly string[], field: string): FieldErrors {
  if (!urls.includes('*'))
    for (const [index, url] of urls.entries()) yield* validateUrl(url, `${field}[${index}]`);
  else if (urls.length > 1)
    yield invalidValue(field, urls, "if '*' is present, must not specify other non-resource URLs");
}

function* validateNamespaces(namespaces: readonly string[], field: string): FieldErrors {
  if (namespaces.includes('*')) {
    if (namespaces.length > 1)
      yield invalidValue(field, namespaces, "if '*' is present, must not specify other namespaces");
    return;
  }
  const rule = "each member of this list must be '*' or a DNS-1123 label; ";
  for (const [index, namespace] of namespaces.entries())
    for (const problem of dnsLabelProblems(namespace))
      yield invalidValue(`${field}[${index}]`, namespace, rule + problem);
}

/** Says the first thing that is wrong. */
function* validateUrl(url: string, field: string): FieldErrors {
  const wildcards = url.split('*').length - 1;
  if (url === '') yield invalidValue(field, url, 'must not be empty');
  else if (!url.startsWith('/')) yield invalidValue(field, url, 'must start with slash');
  else if (url.includes(' ')) yield invalidValue(field, url, 'must not contain white-space');
  else if (url.includes('//')) yield invalidValue(field, url, 'must not contain double slash');
  else if (wildcards > 1 || (wildcards === 1 && !url.endsWith('/*')))
    yield invalidValue(field, url, 'wildcard can only do suffix matching');
}

const distinguishers = ['ByNamespace', 'ByUser'];

function* validateDistinguisher(method: FlowDistinguisherMethod): FieldErrors {
  if (!distinguishers.includes(method.type))
    yield notSupported(
      'spec.distinguisherMethod.type',
      innerForm('flowcontrol.FlowDistinguisherMethod', method),
      distinguishers,
    );
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

function* validateVerbs(given: readonly string[] | undefined, field: string): FieldErrors {
  if (!given?.length) return;
  if (given.includes('*')) {
    if (given.length > 1) yield invalidValue(field, given, "if '*' is present, must not specify other verbs");
  } else if (!given.every((verb) => verbs.includes(verb))) yield notSupported(field, given, verbs);
}

function* validateSubject(subject: Subject, field: string): FieldErrors {
  const { kind, user, group, serviceAccount } = subject;
  const unknown = oneOf(kind, ['Group', 'ServiceAccount', 'User'], `${field}.kind`);
  yield* unknown;
  if (unknown.length > 0) return;
  const given = { User: user, Group: group, ServiceAccount: serviceAccount };
  for (const [name, value] of Object.entries(given)) {
    const path = `${field}.${name.charAt(0).toLowerCase()}${name.slice(1)}`;
    if (name === kind) {
      if (!value)
        yield required(path, `${path.split('.').at(-1)} is required when subject kind is '${kind}'`);
      else if (!value.name) yield required(`${path}.name`);
    } else if (value)
      yield forbiddenField(path, `${path.split('.').at(-1)} is forbidden when subject kind is not '${name}'`);
  }
  if (kind !== 'ServiceAccount' || !serviceAccount) return;
  const { name, namespace } = serviceAccount;
  if (name && name !== '*') yield* invalidFor(`${field}.serviceAccount.name`, name, subdomainProblems(name));
  if (namespace)
    yield* invalidFor(`${field}.serviceAccount.namespace`, namespace, dnsLabelProblems(namespace));
  else yield required(`${field}.serviceAccount.namespace`, 'must specify namespace for service account');
}
